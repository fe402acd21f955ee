// conv2d_bwd_w with strides of 1 by cooperative matrices, without the bias; products and sums in f32:
//   dst[(part, dr, dc), o, i] = sum over one part of pixels p = (b, r, c) of
//                               dst_bar[o, p] x[(b, r + dr - pad_h, c + dc - pad_w), i]
// Parts are `run` pixels long; sum_columns adds them, gradients of parameters are f32.
//
// rows and columns are multiples of 8 EDGE, run of 2 EDGE: matmul_cooperative_pack fills both operands up with zeros.
// It turns x so that a pixel's channels lie side by side: a tap then only changes which row of x is read, outside of
// the image the row of zeros. Each row is found once for the workgroup, one step ahead.

struct Params {
    rows: u32,        // channels of dst, filled up
    columns: u32,     // channels of x, filled up
    pixels: u32,      // batch * out_height * out_width
    run: u32,         // pixels of one part
    parts: u32,
    zeros: u32,       // batch * height * width: the row of x that is zero
    height: u32,      // of x
    width: u32,
    out_height: u32,
    out_width: u32,
    kh: u32,
    kw: u32,
    pad_h: u32,
    pad_w: u32,
    begun: u32,       // 1: earlier calls left sums in dst to add to
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<Elem>>;        // [zeros + 1, columns]
@group(0) @binding(2) var<storage, read> dst_bar: array<vec4<Elem>>;  // [rows, parts run]
@group(0) @binding(3) var<storage, read_write> dst: array<f32>;       // [parts kh kw, rows, columns]

// The rows of x for the pixels of this step and of the next one.
var<workgroup> places: array<u32, 2u * DEEP>;

// The row of x that a tap reads for pixel p of the result. What lies above or left of the image wraps below zero.
fn place(p: u32, tap: u32) -> u32 {
    let line = p / params.out_width;
    let row = line % params.out_height + tap / params.kw - params.pad_h;
    let col = p % params.out_width + tap % params.kw - params.pad_w;
    let in_image = p < params.pixels && row < params.height && col < params.width;
    return select(params.zeros, ((line / params.out_height) * params.height + row) * params.width + col, in_image);
}

fn find_places(lane: u32, z: u32, step: u32) {
    if lane < DEEP {
        let taps = params.kh * params.kw;
        let p = (z / taps) * params.run + step * DEEP + lane;
        places[(step % 2u) * DEEP + lane] = place(p, z % taps);
    }
}

fn has_begun() -> bool {
    return params.begun == 1u;
}

fn load(lane: u32, block: Block, step: u32) {
    let l = left_place(lane);
    let r = right_place(lane);
    let bar_row = params.parts * params.run / 4u;
    let x_row = params.columns / 4u;
    let part = block.z / (params.kh * params.kw);
    let of_bar = (block.m + l.x) * bar_row + (part * params.run + step * DEEP) / 4u + l.y;
    let of_x = block.n / 4u + r.y;
    for (var turn = 0u; turn < TURNS; turn++) {
        next_left[turn] = dst_bar[of_bar + turn * LEFT_APART * bar_row];
        let at = places[(step % 2u) * DEEP + r.x + turn * RIGHT_APART];
        next_right[turn] = x[at * x_row + of_x];
    }
    // Two barriers lie between a step's loads and those of the next.
    find_places(lane, block.z, step + 1u);
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(subgroup_id) subgroup: u32,
) {
    let block = block_of(linear_group(wid, groups), params.rows, params.columns);
    if block.z >= params.parts * params.kh * params.kw { return; }
    find_places(lane, block.z, 0u);
    workgroupBarrier();
    let to = (block.z * params.rows + block.m) * params.columns + block.n;
    sum_block(lane, subgroup, block, params.run / DEEP, to, params.columns);
}
