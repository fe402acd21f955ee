// partial_strength[b, t] = sum_{e in tile t} w[b, e] s[b, e]
// partial_lag[b, t]      = -strength[b] sum_{e in tile t} w[b, e] c[b, e]
// where (c, s) = terms[b, e]; sum_rows adds the tiles, of TILE edges each.
//
// The cotangents of the strengths and of a lag per sample of a coupling of phases: terms are (cos, sin) of each edge's or
// triangle's difference, times the cotangent of its receiver. One workgroup per sample and tile.

const TILE: u32 = 4096u;

struct Params {
    rows: u32,            // batch * tiles
    tiles: u32,
    edges: u32,
    weights_stride: u32,  // from sample to sample: nnz or 0
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weights: array<f32>;                 // [1, nnz] or [batch, nnz]
@group(0) @binding(2) var<storage, read> strength: array<f32>;                // [batch]
@group(0) @binding(3) var<storage, read> terms: array<f32>;                   // [batch, nnz, 2]
@group(0) @binding(4) var<storage, read_write> partial_strength: array<f32>;  // [batch, tiles]
@group(0) @binding(5) var<storage, read_write> partial_lag: array<f32>;       // [batch, tiles]

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let row = linear_group(wid, groups);
    let b = row / params.tiles;
    let first = row % params.tiles * TILE;
    var sums = vec2<f32>(0.0, 0.0);
    if row < params.rows {
        let last = min(first + TILE, params.edges);
        for (var e = first + lane; e < last; e += WG) {
            let at = 2u * (b * params.edges + e);
            sums += weights[b * params.weights_stride + e] * vec2<f32>(terms[at], terms[at + 1u]);
        }
    }
    let cos_sum = tree_sum(lane, sums.x);
    let sin_sum = tree_sum(lane, sums.y);
    if lane == 0u && row < params.rows {
        partial_strength[row] = sin_sum;
        partial_lag[row] = -strength[b] * cos_sum;
    }
}
