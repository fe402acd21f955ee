// dst = [cos theta, sin theta], one after the other along the channels
//
// One invocation per angle.

struct Params {
    len: u32,
    run: u32,  // channels of theta * inner
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> theta: array<Elem>;      // [outer, run]
@group(0) @binding(2) var<storage, read_write> dst: array<Elem>;  // [outer, 2, run]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = linear_index(gid, groups);
    if i >= params.len { return; }
    let at = i + i / params.run * params.run;
    let direction = sin_cos(f32(theta[i]));
    dst[at] = Elem(direction.y);
    dst[at + params.run] = Elem(direction.x);
}
