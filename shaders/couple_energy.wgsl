// partial[b, t] = -strength[b] / (2 q) sum_{e in tile t} w[b, e] cos(q (theta[b, j] - theta[b, i]) - lag[b, e])
// of the edges e from j to i; sum_rows adds the tiles, of TILE edges each.
//
// One workgroup per sample and tile: each lane strides, then a tree of fixed shape.

const TILE: u32 = 4096u;

struct Params {
    rows: u32,            // batch * tiles
    tiles: u32,
    nodes: u32,
    edges: u32,
    weights_stride: u32,  // from sample to sample: nnz or 0
    lag_sample: u32,      // from sample to sample: 1 or 0
    lag_edge: u32,        // from edge to edge: 0 or 1
    harmonic: f32,        // q, an integer
    share: f32,           // -1 / (2 q)
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> theta: array<f32>;          // [batch, nodes]
@group(0) @binding(2) var<storage, read> weights: array<f32>;        // [1, nnz] or [batch, nnz]
@group(0) @binding(3) var<storage, read> strength: array<f32>;       // [batch]
@group(0) @binding(4) var<storage, read> lag: array<f32>;            // [batch, 1] or [1, nnz]
@group(0) @binding(5) var<storage, read> receivers: array<u32>;      // [nnz]
@group(0) @binding(6) var<storage, read> indices: array<u32>;        // [nnz], senders
@group(0) @binding(7) var<storage, read_write> partial: array<f32>;  // [batch, tiles]

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let row = linear_group(wid, groups);
    let b = row / params.tiles;
    let first = row % params.tiles * TILE;
    var sum = 0.0;
    if row < params.rows {
        let last = min(first + TILE, params.edges);
        let sample = b * params.nodes;
        for (var e = first + lane; e < last; e += WG) {
            let apart = theta[sample + indices[e]] - theta[sample + receivers[e]];
            let difference = params.harmonic * apart - lag[b * params.lag_sample + e * params.lag_edge];
            sum += weights[b * params.weights_stride + e] * sin_cos(difference).y;
        }
    }
    let total = tree_sum(lane, sum);
    if lane == 0u && row < params.rows {
        partial[row] = params.share * strength[b] * total;
    }
}
