// partial[tile, i] = - sum_{b in tile} h[b]/2 (kicked_bar[b, i] / inertia[i]) (force[b, i] / inertia[i]); sum_columns
// adds the tiles to inertia_bar[i].
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
@group(0) @binding(2) var<storage, read> inertia: array<f32>;        // [nodes]
@group(0) @binding(3) var<storage, read> h: array<f32>;              // [samples]
@group(0) @binding(4) var<storage, read> kicked_bar: array<f32>;     // [samples, nodes]
@group(0) @binding(5) var<storage, read_write> partial: array<f32>;  // [tiles, nodes]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    if index >= params.len { return; }
    let i = index % params.nodes;
    let tile = index / params.nodes;
    let last = min((tile + 1u) * params.run, params.samples);
    var sum = 0.0;
    for (var b = tile * params.run; b < last; b++) {
        let e = b * params.nodes + i;
        sum += 0.5 * h[b] * (kicked_bar[e] / inertia[i]) * (force[e] / inertia[i]);
    }
    partial[index] = -sum;
}
