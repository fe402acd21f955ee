// With keep = exp(-damping h / inertia) and v2_bar = velocity_next_bar + h/2 theta_next_bar:
//   velocity_bar = h/2 theta_next_bar + keep v2_bar,   force_bar = h/2 velocity_bar / inertia
//
// One invocation per node.

struct Params {
    len: u32,
    nodes: u32,
    has_theta: u32,     // 0: theta_next_bar is zero and another tensor is bound
    has_velocity: u32,  // 0: velocity_next_bar is zero and another tensor is bound
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> inertia: array<f32>;             // [nodes]
@group(0) @binding(2) var<storage, read> damping: array<f32>;             // [nodes]
@group(0) @binding(3) var<storage, read> h: array<f32>;                   // [samples]
@group(0) @binding(4) var<storage, read> theta_next_bar: array<f32>;      // [samples, nodes]
@group(0) @binding(5) var<storage, read> velocity_next_bar: array<f32>;   // [samples, nodes]
@group(0) @binding(6) var<storage, read_write> velocity_bar: array<f32>;  // [samples, nodes]
@group(0) @binding(7) var<storage, read_write> force_bar: array<f32>;     // [samples, nodes]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let e = linear_index(gid, groups);
    if e >= params.len { return; }
    let i = e % params.nodes;
    let step = h[e / params.nodes];
    var of_theta = 0.0;
    if params.has_theta == 1u { of_theta = theta_next_bar[e]; }
    var of_velocity = 0.0;
    if params.has_velocity == 1u { of_velocity = velocity_next_bar[e]; }
    let bars = drift_bars(of_theta, of_velocity, exp(-(damping[i] * step / inertia[i])), step);
    velocity_bar[e] = bars.x;
    force_bar[e] = 0.5 * step * (bars.x / inertia[i]);
}
