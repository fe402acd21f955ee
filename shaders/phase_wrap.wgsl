// dst = x - 2 pi round(x / (2 pi)). One invocation per element.

struct Params {
    len: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;          // [len]
@group(0) @binding(2) var<storage, read_write> dst: array<Elem>;  // [len]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = linear_index(gid, groups);
    if i >= params.len { return; }
    dst[i] = Elem(wrap(f32(x[i])));
}
