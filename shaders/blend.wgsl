// dst = m a + (1 - m) b, with one m per position for all channels.
//
// One invocation per element.

struct Params {
    len: u32,
    channels: u32,
    inner: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<Elem>;          // [outer, channels, inner]
@group(0) @binding(2) var<storage, read> b: array<Elem>;          // [outer, channels, inner]
@group(0) @binding(3) var<storage, read> mask: array<f32>;        // [outer, inner]
@group(0) @binding(4) var<storage, read_write> dst: array<Elem>;  // [outer, channels, inner]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let e = linear_index(gid, groups);
    if e >= params.len { return; }
    let m = mask[e / (params.channels * params.inner) * params.inner + e % params.inner];
    dst[e] = Elem(m * f32(a[e]) + (1.0 - m) * f32(b[e]));
}
