// x_bar = dst_bar weight[c] / sqrt(variance[c] + eps)
//
// One invocation per element.

struct Params {
    len: u32,
    channels: u32,
    inner: u32,
    has_weight: u32,  // 0: weight is bound to dst_bar and not read
    eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> variance: array<f32>;      // [channels]
@group(0) @binding(2) var<storage, read> weight: array<Elem>;       // [channels]
@group(0) @binding(3) var<storage, read> dst_bar: array<Elem>;      // [samples, channels, inner]
@group(0) @binding(4) var<storage, read_write> x_bar: array<Elem>;  // [samples, channels, inner]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let e = linear_index(gid, groups);
    if e >= params.len { return; }
    let c = (e / params.inner) % params.channels;
    var g = f32(dst_bar[e]) * inverseSqrt(variance[c] + params.eps);
    if params.has_weight == 1u { g = g * f32(weight[c]); }
    x_bar[e] = Elem(g);
}
