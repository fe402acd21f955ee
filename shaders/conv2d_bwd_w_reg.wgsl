// conv2d_bwd_w with a tile of registers:
//   partial[tile, (o, i, dr, dc)] = sum over one tile of pixels (b, r, c) of
//                                   dst_bar[b, o, r, c] x[b, i, r s + dr - p, c t + dc - q]
//   partial[tile, weights + o]    = sum over one tile of pixels of dst_bar[b, o, r, c]
// sum_columns adds the tiles; gradients of parameters are f32.
//
// One invocation per 8 channels o, 8 columns j = (i, dr, dc) and tile of `run` pixels; those of the first columns hold
// the bias' sums too.

struct Params {
    pixels: u32,  // batch * out_height * out_width
    c_in: u32,
    c_out: u32,
    height: u32,
    width: u32,
    out_height: u32,
    out_width: u32,
    kh: u32,
    kw: u32,
    stride_h: u32,
    stride_w: u32,
    pad_h: u32,
    pad_w: u32,
    run: u32,     // pixels of one tile
    tiles: u32,
    sums: u32,    // of one tile: weights, and c_out more with a bias
    begun: u32,   // 1: earlier calls left sums to add to
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;             // [batch, c_in, height, width]
@group(0) @binding(2) var<storage, read> dst_bar: array<Elem>;       // [batch, c_out, out_height, out_width]
@group(0) @binding(3) var<storage, read_write> partial: array<f32>;  // [tiles, sums]

// Stores a sum, added to what earlier calls left there.
fn add_up(at: u32, sum: f32) {
    var total = sum;
    if params.begun == 1u { total += partial[at]; }
    partial[at] = total;
}

fn g_of(at: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(f32(dst_bar[at.x]), f32(dst_bar[at.y]), f32(dst_bar[at.z]), f32(dst_bar[at.w]));
}

fn store(first: u32, o: u32, j: u32, columns: u32, a: vec4<f32>, b: vec4<f32>) {
    if o >= params.c_out { return; }
    let to = first + o * columns + j;
    if j < columns { add_up(to, a.x); }
    if j + 1u < columns { add_up(to + 1u, a.y); }
    if j + 2u < columns { add_up(to + 2u, a.z); }
    if j + 3u < columns { add_up(to + 3u, a.w); }
    if j + 4u < columns { add_up(to + 4u, b.x); }
    if j + 5u < columns { add_up(to + 5u, b.y); }
    if j + 6u < columns { add_up(to + 6u, b.z); }
    if j + 7u < columns { add_up(to + 7u, b.w); }
}

fn store_bias(first: u32, o: u32, v: f32) {
    if o < params.c_out { add_up(first + o, v); }
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    let columns = params.c_in * params.kh * params.kw;
    let across = (columns + TILE - 1u) / TILE;
    let down = (params.c_out + TILE - 1u) / TILE;
    if index >= params.tiles * across * down { return; }
    let j = (index % across) * TILE;
    let o = ((index / across) % down) * TILE;
    let which = index / (across * down);
    let begin = which * params.run;
    let end = min(begin + params.run, params.pixels);
    let plane = params.out_height * params.out_width;

    // Past the last channel and column these compute what is there once more, and do not store it.
    let oa = min(vec4<u32>(o) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.c_out - 1u)) * plane;
    let ob = min(vec4<u32>(o) + vec4<u32>(4u, 5u, 6u, 7u), vec4<u32>(params.c_out - 1u)) * plane;
    let ja = taps(min(vec4<u32>(j) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(columns - 1u)));
    let jb = taps(min(vec4<u32>(j) + vec4<u32>(4u, 5u, 6u, 7u), vec4<u32>(columns - 1u)));
    var b = begin / plane;
    var r = (begin / params.out_width) % params.out_height;
    var c = begin % params.out_width;
    var bias_a = vec4<f32>(0.0);
    var bias_b = vec4<f32>(0.0);
    tile_begin(bias_a, bias_b);
    for (var p = begin; p < end; p++) {
        let g = b * params.c_out * plane + r * params.out_width + c;
        let sample = b * params.c_in * params.height * params.width;
        let ga = g_of(oa + g);
        let gb = g_of(ob + g);
        tile_add(ga, gb, x_of(sample, r, c, ja), x_of(sample, r, c, jb));
        bias_a += ga;
        bias_b += gb;
        c++;
        if c == params.out_width {
            c = 0u;
            r++;
        }
        if r == params.out_height {
            r = 0u;
            b++;
        }
    }

    let first = which * params.sums;
    store(first, o, j, columns, tile[0], tile[8]);
    store(first, o + 1u, j, columns, tile[1], tile[9]);
    store(first, o + 2u, j, columns, tile[2], tile[10]);
    store(first, o + 3u, j, columns, tile[3], tile[11]);
    store(first, o + 4u, j, columns, tile[4], tile[12]);
    store(first, o + 5u, j, columns, tile[5], tile[13]);
    store(first, o + 6u, j, columns, tile[6], tile[14]);
    store(first, o + 7u, j, columns, tile[7], tile[15]);
    let weights = params.c_out * columns;
    if j == 0u && params.sums > weights {
        store_bias(first + weights, o, bias_a.x);
        store_bias(first + weights, o + 1u, bias_a.y);
        store_bias(first + weights, o + 2u, bias_a.z);
        store_bias(first + weights, o + 3u, bias_a.w);
        store_bias(first + weights, o + 4u, bias_b.x);
        store_bias(first + weights, o + 5u, bias_b.y);
        store_bias(first + weights, o + 6u, bias_b.z);
        store_bias(first + weights, o + 7u, bias_b.w);
    }
}
