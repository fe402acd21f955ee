// conv2d and its transpose in x, as in conv2d_reg, with operands staged in workgroup memory:
//   dst[b, m, r, c] = bias[m] + sum_{k, dr, dc} w[m row + k col + (dr, dc) tap] x[b, k, r s + dr - p, c t + dc - q]
// or, transposed,
//   dst[b, m, r, c] =           sum_{k, dr, dc} w[m row + k col + (dr, dc) tap] x[b, k, (r + p - dr) / s, (c + q - dc) / t]
// and then addend[b, m, r, c] is added.
//
// One workgroup per 64 channels m and 64 pixels of one phase; neighbours stage neighbouring pixels. Taps are outside,
// channels of x inside.

struct Params {
    pixels: u32,      // batch * grid_height * grid_width
    rows: u32,        // channels of dst
    depth: u32,       // channels of x
    grid_height: u32, // of one phase
    grid_width: u32,
    dst_height: u32,
    dst_width: u32,
    height: u32,      // of x
    width: u32,
    kh: u32,
    kw: u32,
    stride_h: u32,
    stride_w: u32,
    pad_h: u32,
    pad_w: u32,
    row: u32,
    col: u32,
    tap: u32,         // between neighbouring taps
    transposed: u32,
    biased: u32,      // 0: bias is bound to w and not read
    added: u32,       // 0: so is addend
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;          // [batch, depth, height, width]
@group(0) @binding(2) var<storage, read> w: array<Elem>;          // weights in any order
@group(0) @binding(3) var<storage, read> bias: array<Elem>;       // [rows]
@group(0) @binding(4) var<storage, read> addend: array<Elem>;     // [batch, rows, dst_height, dst_width]
@group(0) @binding(5) var<storage, read_write> dst: array<Elem>;  // [batch, rows, dst_height, dst_width]

// Four pixels of one phase.
struct Pixels {
    sample: vec4<u32>,
    row: vec4<u32>,
    col: vec4<u32>,
}

fn pixels(p: vec4<u32>) -> Pixels {
    let grid = params.grid_height * params.grid_width;
    return Pixels(p / grid, (p / params.grid_width) % params.grid_height, p % params.grid_width);
}

fn bias_of(m: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(f32(bias[m.x]), f32(bias[m.y]), f32(bias[m.z]), f32(bias[m.w]));
}

// Four channels of dst at one channel of x and one tap; zero past the last channel of x.
fn w_of(m: u32, k: u32, tap: u32) -> vec4<f32> {
    let inside = k < params.depth;
    let at = four_from(m, params.rows) * params.row + select(0u, k, inside) * params.col + tap * params.tap;
    return select(vec4<f32>(0.0), vec4<f32>(f32(w[at.x]), f32(w[at.y]), f32(w[at.z]), f32(w[at.w])), inside);
}

// Four pixels of x, zero outside of the image.
fn x_of(at: vec4<u32>, inside: vec4<bool>) -> vec4<f32> {
    let origin = select(vec4<u32>(0u), at, inside);
    let v = vec4<f32>(f32(x[origin.x]), f32(x[origin.y]), f32(x[origin.z]), f32(x[origin.w]));
    return select(vec4<f32>(0.0), v, inside);
}

// What is added to element `at` of the map.
fn addend_of(at: u32) -> f32 {
    if params.added == 0u { return 0.0; }
    return f32(addend[at]);
}

fn store(m: u32, inside: vec4<bool>, at: vec4<u32>, v: vec4<f32>) {
    if m >= params.rows { return; }
    let to = at + m * params.dst_height * params.dst_width;
    if inside.x { dst[to.x] = Elem(v.x + addend_of(to.x)); }
    if inside.y { dst[to.y] = Elem(v.y + addend_of(to.y)); }
    if inside.z { dst[to.z] = Elem(v.z + addend_of(to.z)); }
    if inside.w { dst[to.w] = Elem(v.w + addend_of(to.w)); }
}

// The distance from a pixel's origin in x to where its tap d reads; wraps below zero.
fn shift(d: u32, pad: u32, phase: u32, stride: u32) -> u32 {
    if params.transposed == 0u { return d - pad; }
    return bitcast<u32>((i32(phase + pad) - i32(d)) / i32(stride));
}

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let is_transposed = params.transposed == 1u;
    let phases = select(vec2<u32>(1u), vec2<u32>(params.stride_h, params.stride_w), is_transposed);
    let step = select(vec2<u32>(params.stride_h, params.stride_w), vec2<u32>(1u), is_transposed);
    let group = linear_group(wid, groups);
    let blocks = (params.pixels + SIDE - 1u) / SIDE;
    let down = (params.rows + SIDE - 1u) / SIDE;
    let m = ((group / blocks) % down) * SIDE;
    let phase = vec2<u32>(group / (blocks * down) / phases.y, group / (blocks * down) % phases.y);
    let p = (group % blocks) * SIDE;
    if phase.x >= phases.x { return; }

    let r = m + staged_row(lane);
    if params.biased == 1u {
        tile_begin(bias_of(four_from(r, params.rows)), bias_of(four_from(r + 32u, params.rows)));
    } else {
        tile_begin(vec4<f32>(0.0), vec4<f32>(0.0));
    }
    // The pixels that this invocation stages, the same in all turns.
    let own = pixels(four_from(p + place(lane, 0u, false).x, params.pixels));
    let plane = params.height * params.width;
    let begin = own.sample * (params.depth * plane);
    // The other taps lie between the pixels of dst that this phase reads.
    let dr_first = select(0u, (phase.x + params.pad_h) % params.stride_h, is_transposed);
    let dc_first = select(0u, (phase.y + params.pad_w) % params.stride_w, is_transposed);
    for (var dr = dr_first; dr < params.kh; dr += phases.x) {
        let row = own.row * step.x + shift(dr, params.pad_h, phase.x, params.stride_h);
        for (var dc = dc_first; dc < params.kw; dc += phases.y) {
            let col = own.col * step.y + shift(dc, params.pad_w, phase.y, params.stride_w);
            let in_image = (row < vec4<u32>(params.height)) & (col < vec4<u32>(params.width));
            let first = begin + row * params.width + col;
            let tap = dr * params.kw + dc;
            for (var k = 0u; k < params.depth; k += DEEP) {
                workgroupBarrier();
                for (var turn = 0u; turn < TURNS; turn++) {
                    let at = place(lane, turn, params.col < params.row);
                    stage_left(at, w_of(m + at.x, k + at.y, tap));
                }
                for (var turn = 0u; turn < TURNS; turn++) {
                    let at = place(lane, turn, false);
                    let channel = k + at.y;
                    stage_right(at, x_of(first + channel * plane, in_image & vec4<bool>(channel < params.depth)));
                }
                workgroupBarrier();
                multiply_staged(lane);
            }
        }
    }

    let pa = vec4<u32>(p + staged_column(lane)) + vec4<u32>(0u, 1u, 2u, 3u);
    let pb = pa + 32u;
    let a = pixels(four_from(pa.x, params.pixels));
    let b = pixels(four_from(pb.x, params.pixels));
    let dst_plane = params.dst_height * params.dst_width;
    let r_a = a.row * phases.x + phase.x;
    let r_b = b.row * phases.x + phase.x;
    let c_a = a.col * phases.y + phase.y;
    let c_b = b.col * phases.y + phase.y;
    let to_a = a.sample * (params.rows * dst_plane) + r_a * params.dst_width + c_a;
    let to_b = b.sample * (params.rows * dst_plane) + r_b * params.dst_width + c_b;
    let last = vec2<u32>(params.dst_height, params.dst_width);
    let inside_a = (pa < vec4<u32>(params.pixels)) & (r_a < last.xxxx) & (c_a < last.yyyy);
    let inside_b = (pb < vec4<u32>(params.pixels)) & (r_b < last.xxxx) & (c_b < last.yyyy);
    store(r, inside_a, to_a, tile[0]);
    store(r + 1u, inside_a, to_a, tile[1]);
    store(r + 2u, inside_a, to_a, tile[2]);
    store(r + 3u, inside_a, to_a, tile[3]);
    store(r + 32u, inside_a, to_a, tile[4]);
    store(r + 33u, inside_a, to_a, tile[5]);
    store(r + 34u, inside_a, to_a, tile[6]);
    store(r + 35u, inside_a, to_a, tile[7]);
    store(r, inside_b, to_b, tile[8]);
    store(r + 1u, inside_b, to_b, tile[9]);
    store(r + 2u, inside_b, to_b, tile[10]);
    store(r + 3u, inside_b, to_b, tile[11]);
    store(r + 32u, inside_b, to_b, tile[12]);
    store(r + 33u, inside_b, to_b, tile[13]);
    store(r + 34u, inside_b, to_b, tile[14]);
    store(r + 35u, inside_b, to_b, tile[15]);
}
