// conv2d_bwd_w with operands staged in workgroup memory, without the bias:
//   partial[tile, (o, i, dr, dc)] = sum over one tile of pixels (b, r, c) of
//                                   dst_bar[b, o, r, c] x[b, i, r s + dr - p, c t + dc - q]
// sum_columns adds the tiles; gradients of parameters are f32.
//
// One workgroup per 64 channels o, 64 columns j = (i, dr, dc) and tile of `run` pixels.

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
    sums: u32,    // of one tile: weights
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

fn store(first: u32, o: u32, j: u32, columns: u32, v: vec4<f32>) {
    if o >= params.c_out { return; }
    let to = first + o * columns + j;
    if j < columns { add_up(to, v.x); }
    if j + 1u < columns { add_up(to + 1u, v.y); }
    if j + 2u < columns { add_up(to + 2u, v.z); }
    if j + 3u < columns { add_up(to + 3u, v.w); }
}

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let group = linear_group(wid, groups);
    let columns = params.c_in * params.kh * params.kw;
    let across = (columns + SIDE - 1u) / SIDE;
    let down = (params.c_out + SIDE - 1u) / SIDE;
    let which = group / (across * down);
    if which >= params.tiles { return; }
    let j = (group % across) * SIDE;
    let o = ((group / across) % down) * SIDE;
    let begin = which * params.run;
    let end = min(begin + params.run, params.pixels);
    let plane = params.out_height * params.out_width;

    // Pixels are the steps, which lie side by side, and all turns of an invocation take the same one.
    var channels: array<vec4<u32>, TURNS>;
    var fours: array<Taps, TURNS>;
    for (var turn = 0u; turn < TURNS; turn++) {
        let at = place(lane, turn, true);
        channels[turn] = four_from(o + at.x, params.c_out) * plane;
        fours[turn] = taps(four_from(j + at.x, columns));
    }
    tile_begin(vec4<f32>(0.0), vec4<f32>(0.0));
    for (var p = begin; p < end; p += DEEP) {
        let step = p + place(lane, 0u, true).y;
        let pixel = min(step, end - 1u);
        let b = pixel / plane;
        let r = (pixel / params.out_width) % params.out_height;
        let c = pixel % params.out_width;
        let of_bar = b * params.c_out * plane + pixel % plane;
        let sample = b * params.c_in * params.height * params.width;
        workgroupBarrier();
        for (var turn = 0u; turn < TURNS; turn++) {
            let at = place(lane, turn, true);
            let g = g_of(of_bar + channels[turn]);
            stage_left(at, select(vec4<f32>(0.0), g, step < end));
            stage_right(at, select(vec4<f32>(0.0), x_of(sample, r, c, fours[turn]), step < end));
        }
        workgroupBarrier();
        multiply_staged(lane);
    }

    let first = which * params.sums;
    let row = o + staged_row(lane);
    let column = j + staged_column(lane);
    store(first, row, column, columns, tile[0]);
    store(first, row + 1u, column, columns, tile[1]);
    store(first, row + 2u, column, columns, tile[2]);
    store(first, row + 3u, column, columns, tile[3]);
    store(first, row + 32u, column, columns, tile[4]);
    store(first, row + 33u, column, columns, tile[5]);
    store(first, row + 34u, column, columns, tile[6]);
    store(first, row + 35u, column, columns, tile[7]);
    store(first, row, column + 32u, columns, tile[8]);
    store(first, row + 1u, column + 32u, columns, tile[9]);
    store(first, row + 2u, column + 32u, columns, tile[10]);
    store(first, row + 3u, column + 32u, columns, tile[11]);
    store(first, row + 32u, column + 32u, columns, tile[12]);
    store(first, row + 33u, column + 32u, columns, tile[13]);
    store(first, row + 34u, column + 32u, columns, tile[14]);
    store(first, row + 35u, column + 32u, columns, tile[15]);
}
