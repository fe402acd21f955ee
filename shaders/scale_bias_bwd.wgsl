// x_bar = dst_bar scale[c]; channel_sums has the cotangents of scale and bias.
//
// One invocation per element.

struct Params {
    len: u32,
    channels: u32,
    inner: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> scale: array<Elem>;        // [channels]
@group(0) @binding(2) var<storage, read> dst_bar: array<Elem>;      // [outer, channels, inner]
@group(0) @binding(3) var<storage, read_write> x_bar: array<Elem>;  // [outer, channels, inner]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let e = linear_index(gid, groups);
    if e >= params.len { return; }
    x_bar[e] = Elem(f32(dst_bar[e]) * f32(scale[(e / params.inner) % params.channels]));
}
