// dst = (x - mean[c]) / sqrt(variance[c] + eps) * weight[c] + bias[c]
//
// One invocation per element.

struct Params {
    len: u32,
    channels: u32,
    inner: u32,
    has_weight: u32,  // 0: weight is bound to x and not read
    has_bias: u32,    // 0: bias is bound to x and not read
    eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;          // [samples, channels, inner]
@group(0) @binding(2) var<storage, read> mean: array<f32>;        // [channels]
@group(0) @binding(3) var<storage, read> variance: array<f32>;    // [channels]
@group(0) @binding(4) var<storage, read> weight: array<Elem>;     // [channels]
@group(0) @binding(5) var<storage, read> bias: array<Elem>;       // [channels]
@group(0) @binding(6) var<storage, read_write> dst: array<Elem>;  // [samples, channels, inner]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let e = linear_index(gid, groups);
    if e >= params.len { return; }
    let c = (e / params.inner) % params.channels;
    var y = (f32(x[e]) - mean[c]) * inverseSqrt(variance[c] + params.eps);
    if params.has_weight == 1u { y = y * f32(weight[c]); }
    if params.has_bias == 1u { y = y + f32(bias[c]); }
    dst[e] = Elem(y);
}
