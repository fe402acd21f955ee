// What the samples of a node add up to, per tile of them; sum_columns adds the tiles. With p = rate_bar / inertia:
//   partial[tile, 0, i] = - sum_b p[b, i] (force[b, i] - damping[i] velocity[b, i]) / inertia[i]     inertia_bar
//   partial[tile, 1, i] = - sum_b p[b, i] velocity[b, i]                                            damping_bar
//
// One invocation per node and tile, from the first sample to the last.

struct Params {
    len: u32,      // tiles * nodes
    samples: u32,
    nodes: u32,
    run: u32,      // samples of one tile
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> force: array<f32>;          // [samples, nodes]
@group(0) @binding(2) var<storage, read> velocity: array<f32>;       // [samples, nodes]
@group(0) @binding(3) var<storage, read> inertia: array<f32>;        // [nodes]
@group(0) @binding(4) var<storage, read> damping: array<f32>;        // [nodes]
@group(0) @binding(5) var<storage, read> rate_bar: array<f32>;       // [samples, nodes]
@group(0) @binding(6) var<storage, read_write> partial: array<f32>;  // [tiles, 2, nodes]

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
        let pushed = rate_bar[e] / inertia[i];
        let rate = (force[e] - damping[i] * velocity[e]) / inertia[i];
        sums += vec2<f32>(pushed * rate, pushed * velocity[e]);
    }
    let first = 2u * tile * params.nodes + i;
    partial[first] = -sums.x;
    partial[first + params.nodes] = -sums.y;
}
