// dst[sample, e] = word e % 4 of Philox(key = seed, counter = (e / 4, first_sample + sample, step, stream))
//
// The integer stream behind noise. One invocation per element.

struct Params {
    samples: u32,
    run: u32,  // elements of one sample
    seed_low: u32,
    seed_high: u32,
    first_sample: u32,
    step: u32,
    stream: u32,
    distribution: u32,  // not used here
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> dst: array<u32>;  // [samples, run]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = linear_index(gid, groups);
    if i >= params.samples * params.run { return; }
    let e = i % params.run;
    let counter = vec4<u32>(e / 4u, params.first_sample + i / params.run, params.step, params.stream);
    dst[i] = philox(counter, vec2<u32>(params.seed_low, params.seed_high))[e % 4u];
}
