// force_bar[b, i] = rate_bar[b, i] / inertia[i],   velocity_bar[b, i] = - damping[i] rate_bar[b, i] / inertia[i]
//
// One invocation per node.

struct Params {
    len: u32,
    nodes: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> inertia: array<f32>;             // [nodes]
@group(0) @binding(2) var<storage, read> damping: array<f32>;             // [nodes]
@group(0) @binding(3) var<storage, read> rate_bar: array<f32>;            // [samples, nodes]
@group(0) @binding(4) var<storage, read_write> force_bar: array<f32>;     // [samples, nodes]
@group(0) @binding(5) var<storage, read_write> velocity_bar: array<f32>;  // [samples, nodes]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let e = linear_index(gid, groups);
    if e >= params.len { return; }
    let i = e % params.nodes;
    let pushed = rate_bar[e] / inertia[i];
    force_bar[e] = pushed;
    velocity_bar[e] = -(damping[i] * pushed);
}
