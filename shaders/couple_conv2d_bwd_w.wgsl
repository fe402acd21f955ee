// w_bar[o, i, dr, dc] = sum_{b, r, c} dst_bar[b, o, r, c] x[b, i, r + dr - kh/2, c + dc - kw/2]
// bias_bar[o]         = sum_{b, r, c} dst_bar[b, o, r, c]
//
// One workgroup per element of w, then one per element of the bias: each lane strides over the batch and the pixels,
// then a tree of fixed shape. Gradients of parameters are f32.

struct Params {
    batch: u32,
    c_in: u32,
    c_out: u32,
    height: u32,
    width: u32,
    kh: u32,
    kw: u32,
    driven: u32,  // not read
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;              // [batch, c_in, height, width]
@group(0) @binding(2) var<storage, read> dst_bar: array<Elem>;        // [batch, c_out, height, width]
@group(0) @binding(3) var<storage, read_write> w_bar: array<f32>;     // [c_out, c_in, kh, kw]
@group(0) @binding(4) var<storage, read_write> bias_bar: array<f32>;  // [c_out]

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let group = linear_group(wid, groups);
    let plane = params.height * params.width;
    let taps = params.kh * params.kw;
    let weights = params.c_out * params.c_in * taps;
    let is_weight = group < weights;
    let o = select(group - weights, group / (params.c_in * taps), is_weight);
    let i = (group / taps) % params.c_in;
    let dr = (group / params.kw) % params.kh;
    let dc = group % params.kw;

    var sum = 0.0;
    if o < params.c_out {
        for (var at = lane; at < params.batch * plane; at += WG) {
            let b = at / plane;
            let pixel = at % plane;
            let g = f32(dst_bar[(b * params.c_out + o) * plane + pixel]);
            if is_weight {
                // Above the first row and left of the first column this wraps past every extent.
                let row = pixel / params.width + dr - params.kh / 2u;
                let col = pixel % params.width + dc - params.kw / 2u;
                if row < params.height && col < params.width {
                    sum += g * f32(x[(b * params.c_in + i) * plane + row * params.width + col]);
                }
            } else {
                sum += g;
            }
        }
    }
    let total = tree_sum(lane, sum);
    if lane == 0u && o < params.c_out {
        if is_weight {
            w_bar[group] = total;
        } else {
            bias_bar[o] = total;
        }
    }
}
