// theta_bar = sin_bar cos theta - cos_bar sin theta, for dst = [cos theta, sin theta]
//
// One invocation per angle.

struct Params {
    len: u32,
    run: u32,  // channels of theta * inner
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> theta: array<Elem>;            // [outer, run]
@group(0) @binding(2) var<storage, read> dst_bar: array<Elem>;          // [outer, 2, run]
@group(0) @binding(3) var<storage, read_write> theta_bar: array<Elem>;  // [outer, run]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = linear_index(gid, groups);
    if i >= params.len { return; }
    let at = i + i / params.run * params.run;
    let direction = sin_cos(f32(theta[i]));
    theta_bar[i] = Elem(f32(dst_bar[at + params.run]) * direction.y - f32(dst_bar[at]) * direction.x);
}
