// What the samples of a node add up to, per tile of them; sum_columns adds the tiles. With v1, v2 of the forward pass,
// their cotangents and a_bar = v2 v2_bar, that of the exponent a = -damping h / inertia:
//   partial[tile, 0, i] = sum_b (a_bar damping - v1_bar force/2) h / inertia^2     inertia_bar
//   partial[tile, 1, i] = - sum_b a_bar h / inertia                               damping_bar
//
// One invocation per node and tile, from the first sample to the last.

struct Params {
    len: u32,           // tiles * nodes
    samples: u32,
    nodes: u32,
    run: u32,           // samples of one tile
    has_theta: u32,     // 0: theta_next_bar is zero and another tensor is bound
    has_velocity: u32,  // 0: velocity_next_bar is zero and another tensor is bound
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> velocity: array<f32>;           // [samples, nodes]
@group(0) @binding(2) var<storage, read> force: array<f32>;              // [samples, nodes]
@group(0) @binding(3) var<storage, read> inertia: array<f32>;            // [nodes]
@group(0) @binding(4) var<storage, read> damping: array<f32>;            // [nodes]
@group(0) @binding(5) var<storage, read> h: array<f32>;                  // [samples]
@group(0) @binding(6) var<storage, read> theta_next_bar: array<f32>;     // [samples, nodes]
@group(0) @binding(7) var<storage, read> velocity_next_bar: array<f32>;  // [samples, nodes]
@group(0) @binding(8) var<storage, read_write> partial: array<f32>;      // [tiles, 2, nodes]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    if index >= params.len { return; }
    let i = index % params.nodes;
    let tile = index / params.nodes;
    let last = min((tile + 1u) * params.run, params.samples);
    var sums = vec2<f32>();
    for (var b = tile * params.run; b < last; b++) {
        let e = b * params.nodes + i;
        var of_theta = 0.0;
        if params.has_theta == 1u { of_theta = theta_next_bar[e]; }
        var of_velocity = 0.0;
        if params.has_velocity == 1u { of_velocity = velocity_next_bar[e]; }
        let x = drift_of(velocity[e], force[e], inertia[i], damping[i], h[b]);
        let bars = drift_bars(of_theta, of_velocity, x.keep, h[b]);
        let of_exponent = x.v2 * bars.y * (h[b] / inertia[i]);
        let of_push = 0.5 * h[b] * bars.x * x.push;
        sums += vec2<f32>((of_exponent * damping[i] - of_push) / inertia[i], -of_exponent);
    }
    let first = 2u * tile * params.nodes + i;
    partial[first] = sums.x;
    partial[first + params.nodes] = sums.y;
}
