// linear_bwd_w with a tile of registers:
//   partial[tile, m depth + k]      = sum over one tile of columns p of dst_bar[p, m] x[p, k]
//   partial[tile, rows depth + m]   = sum over one tile of columns p of dst_bar[p, m]
// A column p is one (o, i). sum_columns adds the tiles; gradients of parameters are f32.
//
// One invocation per 8 x 8 elements of w and tile of `run` columns; those of the first elements of a row hold the
// bias' too.

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

fn g_of(at: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(f32(dst_bar[at.x]), f32(dst_bar[at.y]), f32(dst_bar[at.z]), f32(dst_bar[at.w]));
}

fn x_of(at: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(f32(x[at.x]), f32(x[at.y]), f32(x[at.z]), f32(x[at.w]));
}

fn store(first: u32, m: u32, k: u32, a: vec4<f32>, b: vec4<f32>) {
    if m >= params.rows { return; }
    let to = first + m * params.depth + k;
    if k < params.depth { add_up(to, a.x); }
    if k + 1u < params.depth { add_up(to + 1u, a.y); }
    if k + 2u < params.depth { add_up(to + 2u, a.z); }
    if k + 3u < params.depth { add_up(to + 3u, a.w); }
    if k + 4u < params.depth { add_up(to + 4u, b.x); }
    if k + 5u < params.depth { add_up(to + 5u, b.y); }
    if k + 6u < params.depth { add_up(to + 6u, b.z); }
    if k + 7u < params.depth { add_up(to + 7u, b.w); }
}

fn store_bias(first: u32, m: u32, v: f32) {
    if m < params.rows { add_up(first + params.rows * params.depth + m, v); }
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    let across = (params.depth + TILE - 1u) / TILE;
    let down = (params.rows + TILE - 1u) / TILE;
    if index >= params.tiles * across * down { return; }
    let k = (index % across) * TILE;
    let m = ((index / across) % down) * TILE;
    let which = index / (across * down);
    let begin = which * params.run;
    let end = min(begin + params.run, params.columns);

    // Past the last row and column of w these compute what is there once more, and do not store it.
    let ma = min(vec4<u32>(m) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.rows - 1u));
    let mb = min(vec4<u32>(m) + vec4<u32>(4u, 5u, 6u, 7u), vec4<u32>(params.rows - 1u));
    let ka = min(vec4<u32>(k) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.depth - 1u));
    let kb = min(vec4<u32>(k) + vec4<u32>(4u, 5u, 6u, 7u), vec4<u32>(params.depth - 1u));
    var o = begin / params.inner;
    var i = begin % params.inner;
    var bias_a = vec4<f32>(0.0);
    var bias_b = vec4<f32>(0.0);
    tile_begin(bias_a, bias_b);
    for (var p = begin; p < end; p++) {
        let g = o * params.rows * params.inner + i;
        let h = o * params.depth * params.inner + i;
        let ga = g_of(g + ma * params.inner);
        let gb = g_of(g + mb * params.inner);
        tile_add(ga, gb, x_of(h + ka * params.inner), x_of(h + kb * params.inner));
        bias_a += ga;
        bias_b += gb;
        i++;
        if i == params.inner {
            i = 0u;
            o++;
        }
    }

    let first = which * params.width;
    store(first, m, k, tile[0], tile[8]);
    store(first, m + 1u, k, tile[1], tile[9]);
    store(first, m + 2u, k, tile[2], tile[10]);
    store(first, m + 3u, k, tile[3], tile[11]);
    store(first, m + 4u, k, tile[4], tile[12]);
    store(first, m + 5u, k, tile[5], tile[13]);
    store(first, m + 6u, k, tile[6], tile[14]);
    store(first, m + 7u, k, tile[7], tile[15]);
    if k == 0u && params.width > params.rows * params.depth {
        store_bias(first, m, bias_a.x);
        store_bias(first, m + 1u, bias_a.y);
        store_bias(first, m + 2u, bias_a.z);
        store_bias(first, m + 3u, bias_a.w);
        store_bias(first, m + 4u, bias_b.x);
        store_bias(first, m + 5u, bias_b.y);
        store_bias(first, m + 6u, bias_b.z);
        store_bias(first, m + 7u, bias_b.w);
    }
}
