// The next state of each sample of a secant iteration, whose ring holds the last steps and G = f(y) - y in the newest slot:
//   step = sum_i alpha_i ring[1, i],   dst = y + step,   ring[1, slot] = step   where the sample advances
//   dst = y                                                                     where it has ended
// and what is kept of y:  best = y where it is the best so far,  anchor = y where it is the next anchor.
//
// One invocation per element; a sample that has ended is copied, so that nothing that its f does can reach it.

struct Params {
    samples: u32,
    len: u32,
    window: u32,
    slot: u32,  // of the newest G: all slots before it hold steps
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> y: array<f32>;             // [samples, len]
@group(0) @binding(2) var<storage, read> coefficients: array<f32>;  // [samples, window + 3]
@group(0) @binding(3) var<storage, read_write> ring: array<f32>;    // [2, window, samples, len]: F, G and steps
@group(0) @binding(4) var<storage, read_write> kept: array<f32>;    // [2, samples, len]: best, anchor
@group(0) @binding(5) var<storage, read_write> dst: array<f32>;     // [samples, len]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = linear_index(gid, groups);
    let plane = params.samples * params.len;
    if i >= plane { return; }
    let c = i / params.len * (params.window + 3u);
    let old = y[i];
    if coefficients[c + params.window + 1u] == 1.0 { kept[i] = old; }
    if coefficients[c + params.window + 2u] == 1.0 { kept[plane + i] = old; }
    var step = 0.0;
    if coefficients[c + params.window] == 1.0 {
        for (var s = 0u; s <= params.slot; s++) {
            step += coefficients[c + s] * ring[(params.window + s) * plane + i];
        }
        ring[(params.window + params.slot) * plane + i] = step;
    }
    dst[i] = old + step;
}
