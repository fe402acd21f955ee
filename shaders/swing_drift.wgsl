// v1 = velocity + h/2 force / inertia,   velocity_next = v1 exp(-damping h / inertia)
// theta_next = theta + h/2 v1 + h/2 velocity_next, less the nearest multiple of 2 pi
//
// One invocation per node.

struct Params {
    len: u32,
    nodes: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> theta: array<f32>;                // [samples, nodes]
@group(0) @binding(2) var<storage, read> velocity: array<f32>;             // [samples, nodes]
@group(0) @binding(3) var<storage, read> force: array<f32>;                // [samples, nodes]
@group(0) @binding(4) var<storage, read> inertia: array<f32>;              // [nodes]
@group(0) @binding(5) var<storage, read> damping: array<f32>;              // [nodes]
@group(0) @binding(6) var<storage, read> h: array<f32>;                    // [samples]
@group(0) @binding(7) var<storage, read_write> theta_next: array<f32>;     // [samples, nodes]
@group(0) @binding(8) var<storage, read_write> velocity_next: array<f32>;  // [samples, nodes]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let e = linear_index(gid, groups);
    if e >= params.len { return; }
    let i = e % params.nodes;
    let step = h[e / params.nodes];
    let x = drift_of(velocity[e], force[e], inertia[i], damping[i], step);
    theta_next[e] = wrap((theta[e] + 0.5 * step * x.v1) + 0.5 * step * x.v2);
    velocity_next[e] = x.v2;
}
