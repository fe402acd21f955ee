// partial[i, k, tile]   = sum_{b in tile} dst_bar[b, i] x[b, k]                                   for J
//                       = 1/2 sum_{b in tile} (dst_bar[b, i] x[b, k] + dst_bar[b, k] x[b, i])     for (J + J^T) / 2
// partial_bias[i, tile] = sum_{b in tile} dst_bar[b, i]
// sum_rows adds the tiles, of TILE samples each.
//
// One invocation per element of the partial sums. Gradients of parameters are f32.

const TILE: u32 = 1024u;

struct Params {
    len: u32,        // (nodes * nodes + nodes) * tiles
    tiles: u32,
    batch: u32,
    nodes: u32,
    symmetric: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;                  // [batch, nodes]
@group(0) @binding(2) var<storage, read> dst_bar: array<Elem>;            // [batch, nodes]
@group(0) @binding(3) var<storage, read_write> partial: array<f32>;       // [nodes * nodes, tiles]
@group(0) @binding(4) var<storage, read_write> partial_bias: array<f32>;  // [nodes, tiles]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    if index >= params.len { return; }
    let row = index / params.tiles;
    let first = index % params.tiles * TILE;
    let last = min(first + TILE, params.batch);

    let bias = params.nodes * params.nodes;
    var sum = 0.0;
    if row >= bias {
        for (var b = first; b < last; b++) { sum += f32(dst_bar[b * params.nodes + row - bias]); }
        partial_bias[index - bias * params.tiles] = sum;
        return;
    }
    let i = row / params.nodes;
    let k = row % params.nodes;
    // The two halves of a symmetric gradient are computed alike, so that they are equal whatever a compiler fuses.
    let low = min(i, k);
    let high = max(i, k);
    for (var b = first; b < last; b++) {
        let sample = b * params.nodes;
        if params.symmetric == 0u {
            sum += f32(dst_bar[sample + i]) * f32(x[sample + k]);
        } else {
            let pair = f32(dst_bar[sample + low]) * f32(x[sample + high]) + f32(dst_bar[sample + high]) * f32(x[sample + low]);
            sum += 0.5 * pair;
        }
    }
    partial[index] = sum;
}
