// partial[b, tile] = 1/2 sum_{i in tile} kicked_bar[b, i] force[b, i] / inertia[i]
// sum_rows adds the tiles to h_bar[b].
//
// One workgroup per tile of TILE nodes of one sample: each lane strides, then a tree of fixed shape.

const TILE: u32 = 1024u;

struct Params {
    samples: u32,
    nodes: u32,
    tiles: u32,  // workgroups per sample
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> force: array<f32>;          // [samples, nodes]
@group(0) @binding(2) var<storage, read> inertia: array<f32>;        // [nodes]
@group(0) @binding(3) var<storage, read> kicked_bar: array<f32>;     // [samples, nodes]
@group(0) @binding(4) var<storage, read_write> partial: array<f32>;  // [samples, tiles]

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
        let end = min((tile + 1u) * TILE, params.nodes);
        for (var i = tile * TILE + lane; i < end; i += WG) {
            let e = sample * params.nodes + i;
            sum += kicked_bar[e] * (force[e] / inertia[i]);
        }
    }
    let total = tree_sum(lane, sum);
    if lane == 0u && sample < params.samples {
        partial[group] = 0.5 * total;
    }
}
