// partial[b, c, tile] = alpha sum_{i in tile} x[b, i, c]; sum_rows adds the tiles. Where one tile is all of them, alpha
// is 1 / nodes.
//
// One workgroup per tile of TILE nodes of one component of one sample: each lane strides, then a tree of fixed shape.
// The components of a tile are neighbours in the grid, for they lie in the same cache lines.

const TILE: u32 = 1024u;

struct Params {
    samples: u32,
    nodes: u32,
    n: u32,      // components of a node
    tiles: u32,  // workgroups per component of a sample
    alpha: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;              // [samples, nodes, n]
@group(0) @binding(2) var<storage, read_write> partial: array<f32>;  // [samples, n, tiles]

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let group = linear_group(wid, groups);
    let c = group % params.n;
    let tile = group / params.n % params.tiles;
    let sample = group / (params.n * params.tiles);
    var sum = 0.0;
    if sample < params.samples {
        let end = min((tile + 1u) * TILE, params.nodes);
        for (var i = tile * TILE + lane; i < end; i += WG) {
            sum += x[(sample * params.nodes + i) * params.n + c];
        }
    }
    let total = tree_sum(lane, sum);
    if lane == 0u && sample < params.samples {
        partial[(sample * params.n + c) * params.tiles + tile] = params.alpha * total;
    }
}
