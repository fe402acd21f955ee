// dst = x min(1, limit |r| / |x|),   Euclidean norms over the elements of a sample
//
// A workgroup per sample strides over its elements, then trees of fixed shape.

struct Params {
    samples: u32,
    len: u32,
    limit: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;          // [samples, len]
@group(0) @binding(2) var<storage, read> r: array<f32>;          // [samples, len]
@group(0) @binding(3) var<storage, read_write> dst: array<f32>;  // [samples, len]

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let sample = linear_group(wid, groups);
    // Past the last sample nothing is read or written, but the sums are joined.
    let end = select(0u, params.len, sample < params.samples);
    let base = sample * params.len;
    var own = 0.0;
    var other = 0.0;
    for (var e = lane; e < end; e += WG) {
        own += x[base + e] * x[base + e];
        other += r[base + e] * r[base + e];
    }
    let size = sqrt(tree_sum(lane, own));
    let most = params.limit * sqrt(tree_sum(lane, other));
    let share = select(1.0, most / size, size > most);
    for (var e = lane; e < end; e += WG) { dst[base + e] = x[base + e] * share; }
}
