// partial[tile, m depth + k]      = sum over one tile of columns p of dst_bar[p, m] x[p, k]
// partial[tile, rows depth + m]   = sum over one tile of columns p of dst_bar[p, m]
// A column p is one (o, i). sum_columns adds the tiles; gradients of parameters are f32.
//
// One invocation per element of w, then one per element of the bias, and tile of `run` columns.

struct Params {
    columns: u32,  // outer * inner
    rows: u32,     // channels of dst
    depth: u32,    // channels of x
    inner: u32,
    run: u32,      // columns of one tile
    tiles: u32,
    width: u32,    // elements of one tile's sums: rows * depth, and rows more with a bias
    begun: u32,    // 1: earlier calls left sums to add to
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;             // [outer, depth, inner]
@group(0) @binding(2) var<storage, read> dst_bar: array<Elem>;       // [outer, rows, inner]
@group(0) @binding(3) var<storage, read_write> partial: array<f32>;  // [tiles, width]

// Stores a sum, added to what earlier calls left there.
fn add_up(at: u32, sum: f32) {
    var total = sum;
    if params.begun == 1u { total += partial[at]; }
    partial[at] = total;
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    if index >= params.tiles * params.width { return; }
    let tile = index / params.width;
    let at = index % params.width;
    let weights = params.rows * params.depth;
    let is_weight = at < weights;
    let m = select(at - weights, at / max(params.depth, 1u), is_weight);
    let k = select(0u, at % max(params.depth, 1u), is_weight);

    let begin = tile * params.run;
    let end = min(begin + params.run, params.columns);
    var sum = 0.0;
    for (var p = begin; p < end; p++) {
        let o = p / params.inner;
        let i = p % params.inner;
        let g = f32(dst_bar[(o * params.rows + m) * params.inner + i]);
        if is_weight {
            sum += g * f32(x[(o * params.depth + k) * params.inner + i]);
        } else {
            sum += g;
        }
    }
    add_up(index, sum);
}
