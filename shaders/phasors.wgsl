// dst[i] = (cos(q theta[i]), sin(q theta[i])) for a whole q
//
// One invocation per angle.

struct Params {
    len: u32,
    q: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> theta: array<f32>;      // [len]
@group(0) @binding(2) var<storage, read_write> dst: array<f32>;  // [len, 2]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = linear_index(gid, groups);
    if i >= params.len { return; }
    let direction = sin_cos(params.q * theta[i]);
    dst[2u * i] = direction.y;
    dst[2u * i + 1u] = direction.x;
}
