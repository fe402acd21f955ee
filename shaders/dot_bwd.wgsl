// a_bar = dst_bar b; called a second time with a in the place of b for b_bar.
// One invocation per element.

struct Params {
    len: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dst_bar: array<f32>;       // [1]
@group(0) @binding(2) var<storage, read> b: array<Elem>;            // [len]
@group(0) @binding(3) var<storage, read_write> a_bar: array<Elem>;  // [len]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = linear_index(gid, groups);
    if i >= params.len { return; }
    a_bar[i] = Elem(dst_bar[0] * f32(b[i]));
}
