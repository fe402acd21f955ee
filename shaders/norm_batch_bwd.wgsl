// x_bar = r weight[c] ((dst_bar - a) - h b) + p + d q,   d = (x - s) - m,   h = d r,   r = 1 / sqrt(v + eps)
// with a, b, p, q per channel from norm_batch_bwd_channels.
//
// One invocation per element.

struct Params {
    len: u32,
    channels: u32,
    inner: u32,
    has_weight: u32,  // 0: weight is bound to x and not read
    has_dst: u32,     // 0: dst_bar is zero; it is bound to x and not read
    eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;            // [samples, channels, inner]
@group(0) @binding(2) var<storage, read> weight: array<Elem>;       // [channels]
@group(0) @binding(3) var<storage, read> dst_bar: array<Elem>;      // [samples, channels, inner]
@group(0) @binding(4) var<storage, read> offset: array<f32>;        // [channels]: m
@group(0) @binding(5) var<storage, read> variance: array<f32>;      // [channels]
@group(0) @binding(6) var<storage, read> pulls: array<f32>;         // [4, channels]: a, b, p, q
@group(0) @binding(7) var<storage, read_write> x_bar: array<Elem>;  // [samples, channels, inner]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let e = linear_index(gid, groups);
    if e >= params.len { return; }
    let c = (e / params.inner) % params.channels;
    let d = (f32(x[e]) - f32(x[c * params.inner])) - offset[c];
    var bar = pulls[2u * params.channels + c] + d * pulls[3u * params.channels + c];
    if params.has_dst == 1u {
        let r = inverseSqrt(variance[c] + params.eps);
        var g = ((f32(dst_bar[e]) - pulls[c]) - (d * r) * pulls[params.channels + c]) * r;
        if params.has_weight == 1u { g = g * f32(weight[c]); }
        bar = bar + g;
    }
    x_bar[e] = Elem(bar);
}
