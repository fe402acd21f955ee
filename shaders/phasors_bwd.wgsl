// theta_bar = q (sin_bar cos(q theta) - cos_bar sin(q theta)), for dst = (cos(q theta), sin(q theta))
//
// One invocation per angle.

struct Params {
    len: u32,
    q: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> theta: array<f32>;            // [len]
@group(0) @binding(2) var<storage, read> dst_bar: array<f32>;          // [len, 2]
@group(0) @binding(3) var<storage, read_write> theta_bar: array<f32>;  // [len]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = linear_index(gid, groups);
    if i >= params.len { return; }
    let direction = sin_cos(params.q * theta[i]);
    theta_bar[i] = params.q * (dst_bar[2u * i + 1u] * direction.y - dst_bar[2u * i] * direction.x);
}
