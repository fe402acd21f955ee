// x_bar = dst_bar[b, c] / plane. One invocation per element.

struct Params {
    len: u32,
    plane: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dst_bar: array<Elem>;      // [planes]
@group(0) @binding(2) var<storage, read_write> x_bar: array<Elem>;  // [planes, plane]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = linear_index(gid, groups);
    if i >= params.len { return; }
    x_bar[i] = Elem(f32(dst_bar[i / params.plane]) / f32(params.plane));
}
