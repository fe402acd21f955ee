// mask_bar[o, i] = sum over the channels of dst_bar (a - b)
//
// One invocation per position: neighbours read neighbouring elements wherever the channels are not innermost.

struct Params {
    positions: u32,
    channels: u32,
    inner: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<Elem>;              // [outer, channels, inner]
@group(0) @binding(2) var<storage, read> b: array<Elem>;              // [outer, channels, inner]
@group(0) @binding(3) var<storage, read> dst_bar: array<Elem>;        // [outer, channels, inner]
@group(0) @binding(4) var<storage, read_write> mask_bar: array<f32>;  // [outer, inner]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let p = linear_index(gid, groups);
    if p >= params.positions { return; }
    let base = p / params.inner * params.channels * params.inner + p % params.inner;
    var sum = 0.0;
    for (var c = 0u; c < params.channels; c++) {
        let e = base + c * params.inner;
        sum += f32(dst_bar[e]) * (f32(a[e]) - f32(b[e]));
    }
    mask_bar[p] = sum;
}
