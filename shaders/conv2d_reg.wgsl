// conv2d and its transpose in x with a tile of registers:
//   dst[b, m, r, c] = bias[m] + sum_{k, dr, dc} w[m row + k col + (dr, dc) tap] x[b, k, r s + dr - p, c t + dc - q]
// or, transposed,
//   dst[b, m, r, c] =           sum_{k, dr, dc} w[m row + k col + (dr, dc) tap] x[b, k, (r + p - dr) / s, (c + q - dc) / t]
// over the taps for which both quotients are whole and within x; then addend[b, m, r, c] is added.
//
// One invocation per 8 channels m and 8 pixels, a workgroup for one set of channels and 512 pixels; neighbours take
// neighbouring pixels in eights. The pixels of the transpose are taken in s x t phases (r mod s, c mod t): within a phase
// all pixels need the same taps, at the same distances, so that a tap costs nothing where it has no part.

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
@group(0) @binding(2) var<storage, read> w: array<Elem>;          // [rows, depth, kh, kw] or [depth, rows, kh, kw]
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

fn w_of(at: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(f32(w[at.x]), f32(w[at.y]), f32(w[at.z]), f32(w[at.w]));
}

fn x_of(at: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(f32(x[at.x]), f32(x[at.y]), f32(x[at.z]), f32(x[at.w]));
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
    let blocks = (params.pixels + WG * TILE - 1u) / (WG * TILE);
    let down = (params.rows + TILE - 1u) / TILE;
    let m = ((group / blocks) % down) * TILE;
    let phase = vec2<u32>(group / (blocks * down) / phases.y, group / (blocks * down) % phases.y);
    let first = (group % blocks) * (WG * TILE) + (lane / 8u) * (8u * TILE) + lane % 8u;
    if phase.x >= phases.x || first >= params.pixels { return; }
    let pa = vec4<u32>(first) + vec4<u32>(0u, 8u, 16u, 24u);
    let pb = pa + 32u;

    // Past the last channel and the last pixel these compute what is there once more, and do not store it.
    let ma = min(vec4<u32>(m) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.rows - 1u));
    let mb = min(vec4<u32>(m) + vec4<u32>(4u, 5u, 6u, 7u), vec4<u32>(params.rows - 1u));
    let a = pixels(min(pa, vec4<u32>(params.pixels - 1u)));
    let b = pixels(min(pb, vec4<u32>(params.pixels - 1u)));
    let plane = params.height * params.width;
    let begin_a = a.sample * (params.depth * plane);
    let begin_b = b.sample * (params.depth * plane);
    if params.biased == 1u {
        tile_begin(bias_of(ma), bias_of(mb));
    } else {
        tile_begin(vec4<f32>(0.0), vec4<f32>(0.0));
    }
    // The other taps lie between the pixels of dst that this phase reads.
    let dr_first = select(0u, (phase.x + params.pad_h) % params.stride_h, is_transposed);
    let dc_first = select(0u, (phase.y + params.pad_w) % params.stride_w, is_transposed);
    for (var dr = dr_first; dr < params.kh; dr += phases.x) {
        let by = shift(dr, params.pad_h, phase.x, params.stride_h);
        let row_a = a.row * step.x + by;
        let row_b = b.row * step.x + by;
        for (var dc = dc_first; dc < params.kw; dc += phases.y) {
            let beside = shift(dc, params.pad_w, phase.y, params.stride_w);
            let col_a = a.col * step.y + beside;
            let col_b = b.col * step.y + beside;
            let in_a = (row_a < vec4<u32>(params.height)) & (col_a < vec4<u32>(params.width));
            let in_b = (row_b < vec4<u32>(params.height)) & (col_b < vec4<u32>(params.width));
            if any(in_a) || any(in_b) {
                var xa = select(begin_a, begin_a + row_a * params.width + col_a, in_a);
                var xb = select(begin_b, begin_b + row_b * params.width + col_b, in_b);
                var wa = ma * params.row + (dr * params.kw + dc) * params.tap;
                var wb = mb * params.row + (dr * params.kw + dc) * params.tap;
                for (var k = 0u; k < params.depth; k++) {
                    let va = select(vec4<f32>(0.0), x_of(xa), in_a);
                    let vb = select(vec4<f32>(0.0), x_of(xb), in_b);
                    tile_add(w_of(wa), w_of(wb), va, vb);
                    wa += params.col;
                    wb += params.col;
                    xa += plane;
                    xb += plane;
                }
            }
        }
    }

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
    store(m, inside_a, to_a, tile[0]);
    store(m + 1u, inside_a, to_a, tile[1]);
    store(m + 2u, inside_a, to_a, tile[2]);
    store(m + 3u, inside_a, to_a, tile[3]);
    store(m + 4u, inside_a, to_a, tile[4]);
    store(m + 5u, inside_a, to_a, tile[5]);
    store(m + 6u, inside_a, to_a, tile[6]);
    store(m + 7u, inside_a, to_a, tile[7]);
    store(m, inside_b, to_b, tile[8]);
    store(m + 1u, inside_b, to_b, tile[9]);
    store(m + 2u, inside_b, to_b, tile[10]);
    store(m + 3u, inside_b, to_b, tile[11]);
    store(m + 4u, inside_b, to_b, tile[12]);
    store(m + 5u, inside_b, to_b, tile[13]);
    store(m + 6u, inside_b, to_b, tile[14]);
    store(m + 7u, inside_b, to_b, tile[15]);
}
