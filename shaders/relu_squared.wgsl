// dst = max(x, 0)^2 / 2. One invocation per element.
//
// Written as a choice of zero where x <= 0, so that NaN stays NaN; max may drop it.

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
    let v = f32(x[i]);
    dst[i] = Elem(select(0.5 * v * v, 0.0, v <= 0.0));
}
