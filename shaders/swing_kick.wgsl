// kicked[b, i] = velocity[b, i] + h[b]/2 force[b, i] / inertia[i]
//
// One invocation per node.

struct Params {
    len: u32,
    nodes: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> velocity: array<f32>;      // [samples, nodes]
@group(0) @binding(2) var<storage, read> force: array<f32>;         // [samples, nodes]
@group(0) @binding(3) var<storage, read> inertia: array<f32>;       // [nodes]
@group(0) @binding(4) var<storage, read> h: array<f32>;             // [samples]
@group(0) @binding(5) var<storage, read_write> kicked: array<f32>;  // [samples, nodes]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let e = linear_index(gid, groups);
    if e >= params.len { return; }
    kicked[e] = velocity[e] + 0.5 * h[e / params.nodes] * (force[e] / inertia[e % params.nodes]);
}
