// What the nodes of a sample add up to, per tile of them; sum_rows adds the tiles to h_bar[b]. With v1, v2 of the
// forward pass, their cotangents and a_bar = v2 v2_bar, that of the exponent a = -damping h / inertia:
//   partial[b, tile] = sum_i v1_bar force / (2 inertia) + theta_next_bar (v1 + v2)/2 - a_bar damping / inertia
//
// One workgroup per tile of TILE nodes of one sample: each lane strides, then a tree of fixed shape.

const TILE: u32 = 1024u;

struct Params {
    samples: u32,
    nodes: u32,
    tiles: u32,         // workgroups per sample
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
@group(0) @binding(8) var<storage, read_write> partial: array<f32>;      // [samples, tiles]

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let group = linear_group(wid, groups);
    let sample = group / params.tiles;
    let tile = group % params.tiles;
    var sum = 0.0;
    if sample < params.samples {
        let step = h[sample];
        let end = min((tile + 1u) * TILE, params.nodes);
        for (var i = tile * TILE + lane; i < end; i += WG) {
            let e = sample * params.nodes + i;
            var of_theta = 0.0;
            if params.has_theta == 1u { of_theta = theta_next_bar[e]; }
            var of_velocity = 0.0;
            if params.has_velocity == 1u { of_velocity = velocity_next_bar[e]; }
            let x = drift_of(velocity[e], force[e], inertia[i], damping[i], step);
            let bars = drift_bars(of_theta, of_velocity, x.keep, step);
            sum += 0.5 * (bars.x * x.push) + 0.5 * of_theta * (x.v1 + x.v2) - x.v2 * bars.y * (damping[i] / inertia[i]);
        }
    }
    let total = tree_sum(lane, sum);
    if lane == 0u && sample < params.samples {
        partial[group] = total;
    }
}
