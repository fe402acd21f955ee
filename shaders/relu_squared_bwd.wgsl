// x_bar = dst_bar max(x, 0). One invocation per element.

struct Params {
    len: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;            // [len]
@group(0) @binding(2) var<storage, read> dst_bar: array<Elem>;      // [len]
@group(0) @binding(3) var<storage, read_write> x_bar: array<Elem>;  // [len]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = linear_index(gid, groups);
    if i >= params.len { return; }
    let v = f32(x[i]);
    x_bar[i] = Elem(select(f32(dst_bar[i]) * v, 0.0, v <= 0.0));
}
