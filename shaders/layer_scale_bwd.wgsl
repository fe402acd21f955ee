// y_bar = limit s(raw[c]) dst_bar. One invocation per element.

struct Params {
    len: u32,
    channels: u32,
    inner: u32,
    limit: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> raw: array<Elem>;          // [channels]
@group(0) @binding(2) var<storage, read> dst_bar: array<Elem>;      // [outer, channels, inner]
@group(0) @binding(3) var<storage, read_write> y_bar: array<Elem>;  // [outer, channels, inner]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = linear_index(gid, groups);
    if i >= params.len { return; }
    let gate = params.limit * logistic(f32(raw[i / params.inner % params.channels])).x;
    y_bar[i] = Elem(gate * f32(dst_bar[i]));
}
