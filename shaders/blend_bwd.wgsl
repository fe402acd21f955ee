// a_bar = m dst_bar, b_bar = (1 - m) dst_bar. One invocation per element.

struct Params {
    len: u32,
    channels: u32,
    inner: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> mask: array<f32>;          // [outer, inner]
@group(0) @binding(2) var<storage, read> dst_bar: array<Elem>;      // [outer, channels, inner]
@group(0) @binding(3) var<storage, read_write> a_bar: array<Elem>;  // [outer, channels, inner]
@group(0) @binding(4) var<storage, read_write> b_bar: array<Elem>;  // [outer, channels, inner]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let e = linear_index(gid, groups);
    if e >= params.len { return; }
    let m = mask[e / (params.channels * params.inner) * params.inner + e % params.inner];
    let g = f32(dst_bar[e]);
    a_bar[e] = Elem(m * g);
    b_bar[e] = Elem((1.0 - m) * g);
}
