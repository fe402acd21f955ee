// partial[e, tile]       = sum_{b in tile} sum_a dst_bar[b, i_e, a] x[b, j_e, a]     one number per edge
// partial[e, a, c, tile] = sum_{b in tile} dst_bar[b, i_e, a] x[b, j_e, c]           one block per edge
// where edge e goes from j_e to i_e; sum_rows adds the tiles, of TILE samples each.
//
// One invocation per element of the partial sums. Gradients of parameters are f32.

const TILE: u32 = 512u;

struct Params {
    len: u32,     // weights * tiles
    tiles: u32,
    batch: u32,
    nodes: u32,
    n: u32,
    blocks: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;             // [batch, nodes, n]
@group(0) @binding(2) var<storage, read> dst_bar: array<Elem>;       // [batch, nodes, n]
@group(0) @binding(3) var<storage, read> receivers: array<u32>;      // [nnz]
@group(0) @binding(4) var<storage, read> indices: array<u32>;        // [nnz], senders
@group(0) @binding(5) var<storage, read_write> partial: array<f32>;  // [weights, tiles]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    if index >= params.len { return; }
    let weight = index / params.tiles;
    let first = index % params.tiles * TILE;
    let last = min(first + TILE, params.batch);

    var sum = 0.0;
    if params.blocks == 0u {
        let i = receivers[weight];
        let j = indices[weight];
        for (var b = first; b < last; b++) {
            let place = (b * params.nodes + i) * params.n;
            let source = (b * params.nodes + j) * params.n;
            for (var a = 0u; a < params.n; a++) {
                sum += f32(dst_bar[place + a]) * f32(x[source + a]);
            }
        }
    } else {
        let e = weight / (params.n * params.n);
        let a = weight / params.n % params.n;
        let c = weight % params.n;
        let i = receivers[e];
        let j = indices[e];
        for (var b = first; b < last; b++) {
            let g = f32(dst_bar[(b * params.nodes + i) * params.n + a]);
            sum += g * f32(x[(b * params.nodes + j) * params.n + c]);
        }
    }
    partial[index] = sum;
}
