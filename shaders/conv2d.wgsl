// dst[b, o, r, c] = bias[o] + sum_{i, dr, dc} w[o, i, dr, dc] x[b, i, r s + dr - p, c t + dc - q] + addend[b, o, r, c]
//
// Any stride (s, t), any kernel, zero padding (p, q). One invocation per output element.

struct Params {
    len: u32,
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
    biased: u32,  // 0: bias is bound to w and not read
    added: u32,   // 0: so is addend
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;          // [batch, c_in, height, width]
@group(0) @binding(2) var<storage, read> w: array<Elem>;          // [c_out, c_in, kh, kw]
@group(0) @binding(3) var<storage, read> bias: array<Elem>;       // [c_out]
@group(0) @binding(4) var<storage, read> addend: array<Elem>;     // [batch, c_out, out_height, out_width]
@group(0) @binding(5) var<storage, read_write> dst: array<Elem>;  // [batch, c_out, out_height, out_width]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    if index >= params.len { return; }
    let c = index % params.out_width;
    let r = (index / params.out_width) % params.out_height;
    let o = (index / (params.out_width * params.out_height)) % params.c_out;
    let b = index / (params.out_width * params.out_height * params.c_out);
    let plane = params.height * params.width;

    var sum = 0.0;
    if params.biased == 1u { sum = f32(bias[o]); }
    for (var i = 0u; i < params.c_in; i++) {
        let x_plane = (b * params.c_in + i) * plane;
        let w_plane = (o * params.c_in + i) * params.kh * params.kw;
        for (var dr = 0u; dr < params.kh; dr++) {
            // Above the first row this wraps past every height.
            let row = r * params.stride_h + dr - params.pad_h;
            if row >= params.height { continue; }
            for (var dc = 0u; dc < params.kw; dc++) {
                let col = c * params.stride_w + dc - params.pad_w;
                if col >= params.width { continue; }
                sum += f32(w[w_plane + dr * params.kw + dc]) * f32(x[x_plane + row * params.width + col]);
            }
        }
    }
    if params.added == 1u { sum += f32(addend[index]); }
    dst[index] = Elem(sum);
}
