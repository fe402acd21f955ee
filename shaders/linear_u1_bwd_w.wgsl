// partial[tile, 0, m, k] = sum over one tile of columns p of g[p,m,0] x[p,k,0] + g[p,m,1] x[p,k,1]   (of w1)
// partial[tile, 1, m, k] = sum over one tile of columns p of g[p,m,0] x[p,k,1] - g[p,m,1] x[p,k,0]   (of w2)
// with g = dst_bar; a column p is one (o, i). sum_columns adds the tiles; gradients of parameters are f32.
//
// One invocation per pair of weights (m, k) and tile of `run` columns.

struct Params {
    columns: u32,  // outer * inner
    rows: u32,     // neurons of dst
    depth: u32,    // neurons of x
    inner: u32,
    run: u32,      // columns of one tile
    tiles: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;             // [outer, depth, 2, inner]
@group(0) @binding(2) var<storage, read> dst_bar: array<Elem>;       // [outer, rows, 2, inner]
@group(0) @binding(3) var<storage, read_write> partial: array<f32>;  // [tiles, 2, rows, depth]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    let weights = params.rows * params.depth;
    if index >= params.tiles * weights { return; }
    let tile = index / weights;
    let at = index % weights;
    let m = at / params.depth;
    let k = at % params.depth;

    let begin = tile * params.run;
    let end = min(begin + params.run, params.columns);
    var sum1 = 0.0;
    var sum2 = 0.0;
    for (var p = begin; p < end; p++) {
        let o = p / params.inner;
        let i = p % params.inner;
        let g = (o * params.rows + m) * 2u * params.inner + i;
        let h = (o * params.depth + k) * 2u * params.inner + i;
        let gr = f32(dst_bar[g]);
        let gi = f32(dst_bar[g + params.inner]);
        let a = f32(x[h]);
        let b = f32(x[h + params.inner]);
        sum1 += gr * a;
        sum2 += -gi * a;
        sum1 += gi * b;
        sum2 += gr * b;
    }
    partial[2u * tile * weights + at] = sum1;
    partial[(2u * tile + 1u) * weights + at] = sum2;
}
