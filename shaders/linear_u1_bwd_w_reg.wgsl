// linear_u1_bwd_w with a tile of registers:
//   partial[tile, 0, m, k] = sum over one tile of columns p of g[p,m,0] x[p,k,0] + g[p,m,1] x[p,k,1]   (of w1)
//   partial[tile, 1, m, k] = sum over one tile of columns p of g[p,m,0] x[p,k,1] - g[p,m,1] x[p,k,0]   (of w2)
// with g = dst_bar; a column p is one (o, i). sum_columns adds the tiles; gradients of parameters are f32.
//
// One invocation per 4 x 8 pairs of weights (8 rows: 4 of w1, then 4 of w2) and tile of `run` columns.

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

const NEURONS: u32 = 4u;

fn g_of(at: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(f32(dst_bar[at.x]), f32(dst_bar[at.y]), f32(dst_bar[at.z]), f32(dst_bar[at.w]));
}

fn x_of(at: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(f32(x[at.x]), f32(x[at.y]), f32(x[at.z]), f32(x[at.w]));
}

fn store(first: u32, m: u32, k: u32, a: vec4<f32>, b: vec4<f32>) {
    if m >= params.rows { return; }
    let to = first + m * params.depth + k;
    if k < params.depth { partial[to] = a.x; }
    if k + 1u < params.depth { partial[to + 1u] = a.y; }
    if k + 2u < params.depth { partial[to + 2u] = a.z; }
    if k + 3u < params.depth { partial[to + 3u] = a.w; }
    if k + 4u < params.depth { partial[to + 4u] = b.x; }
    if k + 5u < params.depth { partial[to + 5u] = b.y; }
    if k + 6u < params.depth { partial[to + 6u] = b.z; }
    if k + 7u < params.depth { partial[to + 7u] = b.w; }
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    let across = (params.depth + TILE - 1u) / TILE;
    let down = (params.rows + NEURONS - 1u) / NEURONS;
    if index >= params.tiles * across * down { return; }
    let k = (index % across) * TILE;
    let m = ((index / across) % down) * NEURONS;
    let which = index / (across * down);
    let begin = which * params.run;
    let end = min(begin + params.run, params.columns);

    // Past the last row and column of the weights these compute what is there once more, and do not store it.
    let ms = 2u * params.inner * min(vec4<u32>(m) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.rows - 1u));
    let ka = 2u * params.inner * min(vec4<u32>(k) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.depth - 1u));
    let kb = 2u * params.inner * min(vec4<u32>(k) + vec4<u32>(4u, 5u, 6u, 7u), vec4<u32>(params.depth - 1u));
    var o = begin / params.inner;
    var i = begin % params.inner;
    tile_begin(vec4<f32>(0.0), vec4<f32>(0.0));
    for (var p = begin; p < end; p++) {
        let g = o * params.rows * 2u * params.inner + i;
        let h = o * params.depth * 2u * params.inner + i;
        let gr = g_of(g + ms);
        let gi = g_of(g + params.inner + ms);
        tile_add(gr, -gi, x_of(h + ka), x_of(h + kb));
        tile_add(gi, gr, x_of(h + params.inner + ka), x_of(h + params.inner + kb));
        i++;
        if i == params.inner {
            i = 0u;
            o++;
        }
    }

    let weights = params.rows * params.depth;
    let of_w1 = 2u * which * weights;
    let of_w2 = of_w1 + weights;
    store(of_w1, m, k, tile[0], tile[8]);
    store(of_w1, m + 1u, k, tile[1], tile[9]);
    store(of_w1, m + 2u, k, tile[2], tile[10]);
    store(of_w1, m + 3u, k, tile[3], tile[11]);
    store(of_w2, m, k, tile[4], tile[12]);
    store(of_w2, m + 1u, k, tile[5], tile[13]);
    store(of_w2, m + 2u, k, tile[6], tile[14]);
    store(of_w2, m + 3u, k, tile[7], tile[15]);
}
