// conv2d with strides of 1, and its transpose in x, by cooperative matrices; products and sums in f32:
//   dst[m, p] = sum_{k, dr, dc} w[(dr, dc), m, k] x[b, k, r + dr - pad_h, c + dc - pad_w]
// or, transposed,
//   dst[m, p] = sum_{k, dr, dc} w[(dr, dc), m, k] x[b, k, r + pad_h - dr, c + pad_w - dc]
// for pixels p = (b, r, c) of the result. Terms go by taps, then by channels k.
//
// rows and columns are multiples of 8 EDGE, deep of 2 EDGE; matmul_cooperative_pack brings the weights into this order and
// matmul_cooperative_unpack the result into its own.

struct Params {
    rows: u32,     // channels of the result, filled up
    columns: u32,  // pixels of the result, filled up
    pixels: u32,   // batch * out_height * out_width
    depth: u32,    // channels of x
    deep: u32,     // the same, filled up
    height: u32,   // of x
    width: u32,
    out_height: u32,
    out_width: u32,
    kh: u32,
    kw: u32,
    pad_h: u32,
    pad_w: u32,
    transposed: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;         // [batch, depth, height, width]
@group(0) @binding(2) var<storage, read> w: array<vec4<Elem>>;   // [kh kw, rows, deep]
@group(0) @binding(3) var<storage, read_write> dst: array<f32>;  // [rows, columns]

// Four pixels of the result.
struct Pixels {
    sample: vec4<u32>,
    row: vec4<u32>,
    col: vec4<u32>,
}

// Those that an invocation stages, the same in all turns.
var<private> own: Pixels;

fn pixels(p: vec4<u32>) -> Pixels {
    let plane = params.out_height * params.out_width;
    return Pixels(p / plane, (p / params.out_width) % params.out_height, p % params.out_width);
}

// How far from a pixel its tap d reads; wraps below zero.
fn shift(d: u32, pad: u32) -> u32 {
    return select(d - pad, pad - d, params.transposed == 1u);
}

fn has_begun() -> bool {
    return false;
}

fn load(lane: u32, block: Block, step: u32) {
    let l = left_place(lane);
    let r = right_place(lane);
    let in_tap = params.deep / DEEP;
    let tap = step / in_tap;
    let k = (step % in_tap) * DEEP;
    let w_row = params.deep / 4u;
    let of_w = (tap * params.rows + block.m + l.x) * w_row + k / 4u + l.y;

    let row = own.row + shift(tap / params.kw, params.pad_h);
    let col = own.col + shift(tap % params.kw, params.pad_w);
    let here = (vec4<u32>(block.n + 4u * r.y) + vec4<u32>(0u, 1u, 2u, 3u)) < vec4<u32>(params.pixels);
    let in_image = here & (row < vec4<u32>(params.height)) & (col < vec4<u32>(params.width));
    let plane = params.height * params.width;
    let first = own.sample * (params.depth * plane) + row * params.width + col;
    for (var turn = 0u; turn < TURNS; turn++) {
        next_left[turn] = w[of_w + turn * LEFT_APART * w_row];
        let channel = k + r.x + turn * RIGHT_APART;
        let inside = in_image & vec4<bool>(channel < params.depth);
        let at = select(vec4<u32>(0u), first + channel * plane, inside);
        next_right[turn] = select(vec4<Elem>(), vec4<Elem>(x[at.x], x[at.y], x[at.z], x[at.w]), inside);
    }
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(subgroup_id) subgroup: u32,
) {
    let block = block_of(linear_group(wid, groups), params.rows, params.columns);
    if block.z >= 1u { return; }
    let first = block.n + 4u * right_place(lane).y;
    own = pixels(min(vec4<u32>(first) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.pixels - 1u)));
    let steps = params.kh * params.kw * (params.deep / DEEP);
    sum_block(lane, subgroup, block, steps, block.m * params.columns + block.n, params.columns);
}
