// linear_bwd_w with operands staged in workgroup memory, without the bias:
//   partial[tile, m depth + k] = sum over one tile of columns p of dst_bar[p, m] x[p, k]
// A column p is one (o, i). sum_columns adds the tiles; gradients of parameters are f32.
//
// One workgroup per 64 x 64 elements of w and tile of `run` columns.

struct Params {
    columns: u32,  // outer * inner
    rows: u32,     // channels of dst
    depth: u32,    // channels of x
    inner: u32,
    run: u32,      // columns of one tile
    tiles: u32,
    width: u32,    // elements of one tile's sums: rows * depth
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

fn g_of(at: vec4<u32>, inside: bool) -> vec4<f32> {
    let v = vec4<f32>(f32(dst_bar[at.x]), f32(dst_bar[at.y]), f32(dst_bar[at.z]), f32(dst_bar[at.w]));
    return select(vec4<f32>(0.0), v, inside);
}

fn x_of(at: vec4<u32>, inside: bool) -> vec4<f32> {
    let v = vec4<f32>(f32(x[at.x]), f32(x[at.y]), f32(x[at.z]), f32(x[at.w]));
    return select(vec4<f32>(0.0), v, inside);
}

fn store(first: u32, m: u32, k: u32, v: vec4<f32>) {
    if m >= params.rows { return; }
    let to = first + m * params.depth + k;
    if k < params.depth { add_up(to, v.x); }
    if k + 1u < params.depth { add_up(to + 1u, v.y); }
    if k + 2u < params.depth { add_up(to + 2u, v.z); }
    if k + 3u < params.depth { add_up(to + 3u, v.w); }
}

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let group = linear_group(wid, groups);
    let across = (params.depth + SIDE - 1u) / SIDE;
    let down = (params.rows + SIDE - 1u) / SIDE;
    let which = group / (across * down);
    if which >= params.tiles { return; }
    let m = ((group / across) % down) * SIDE;
    let k = (group % across) * SIDE;
    let begin = which * params.run;
    let end = min(begin + params.run, params.columns);

    // Columns are the steps here. With inner extents neighbours of these lie side by side, without them channels.
    let steps_adjoin = params.inner > 1u;
    tile_begin(vec4<f32>(0.0), vec4<f32>(0.0));
    for (var p = begin; p < end; p += DEEP) {
        workgroupBarrier();
        for (var turn = 0u; turn < TURNS; turn++) {
            let at = place(lane, turn, steps_adjoin);
            let step = p + at.y;
            let column = min(step, end - 1u);
            let o = column / params.inner;
            let i = column % params.inner;
            let row = o * params.rows * params.inner + i;
            let from_x = o * params.depth * params.inner + i;
            stage_left(at, g_of(row + four_from(m + at.x, params.rows) * params.inner, step < end));
            stage_right(at, x_of(from_x + four_from(k + at.x, params.depth) * params.inner, step < end));
        }
        workgroupBarrier();
        multiply_staged(lane);
    }

    let first = which * params.width;
    let r = m + staged_row(lane);
    let c = k + staged_column(lane);
    store(first, r, c, tile[0]);
    store(first, r + 1u, c, tile[1]);
    store(first, r + 2u, c, tile[2]);
    store(first, r + 3u, c, tile[3]);
    store(first, r + 32u, c, tile[4]);
    store(first, r + 33u, c, tile[5]);
    store(first, r + 34u, c, tile[6]);
    store(first, r + 35u, c, tile[7]);
    store(first, r, c + 32u, tile[8]);
    store(first, r + 1u, c + 32u, tile[9]);
    store(first, r + 2u, c + 32u, tile[10]);
    store(first, r + 3u, c + 32u, tile[11]);
    store(first, r + 32u, c + 32u, tile[12]);
    store(first, r + 33u, c + 32u, tile[13]);
    store(first, r + 34u, c + 32u, tile[14]);
    store(first, r + 35u, c + 32u, tile[15]);
}
