// x_bar = dst_bar / (1 + |x|). One invocation per element.

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
    x_bar[i] = Elem(f32(dst_bar[i]) / (1.0 + abs(f32(x[i]))));
}
