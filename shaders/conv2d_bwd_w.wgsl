// partial[tile, (o, i, dr, dc)] = sum over one tile of pixels (b, r, c) of
//                                 dst_bar[b, o, r, c] x[b, i, r s + dr - p, c t + dc - q]
// partial[tile, weights + o]    = sum over one tile of pixels of dst_bar[b, o, r, c]
// sum_columns adds the tiles; gradients of parameters are f32.
//
// One invocation per element of w, then one per element of the bias, and tile of `run` pixels.

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

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    if index >= params.tiles * params.sums { return; }
    let which = index / params.sums;
    let at = index % params.sums;
    let columns = params.c_in * params.kh * params.kw;
    let is_weight = at < params.c_out * columns;
    let o = select(at - params.c_out * columns, at / max(columns, 1u), is_weight);
    let i = (at / (params.kh * params.kw)) % max(params.c_in, 1u);
    let dr = (at / params.kw) % params.kh;
    let dc = at % params.kw;
    let plane = params.out_height * params.out_width;

    let begin = which * params.run;
    let end = min(begin + params.run, params.pixels);
    var sum = 0.0;
    for (var p = begin; p < end; p++) {
        let b = p / plane;
        let g = f32(dst_bar[(b * params.c_out + o) * plane + p % plane]);
        if is_weight {
            // Above the first row and left of the first column these wrap past every extent.
            let row = (p / params.out_width) % params.out_height * params.stride_h + dr - params.pad_h;
            let col = p % params.out_width * params.stride_w + dc - params.pad_w;
            if row < params.height && col < params.width {
                sum += g * f32(x[((b * params.c_in + i) * params.height + row) * params.width + col]);
            }
        } else {
            sum += g;
        }
    }
    add_up(index, sum);
}
