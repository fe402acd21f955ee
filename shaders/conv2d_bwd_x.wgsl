// x_bar[b, i, row, col] = sum_{o, dr, dc} w[o, i, dr, dc] dst_bar[b, o, (row + p - dr) / s, (col + q - dc) / t]
// over the taps for which both quotients are whole and within dst.
//
// The transpose of conv2d in x. One invocation per element of x.

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
    biased: u32,  // not read
    added: u32,   // not read
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> w: array<Elem>;            // [c_out, c_in, kh, kw]
@group(0) @binding(2) var<storage, read> dst_bar: array<Elem>;      // [batch, c_out, out_height, out_width]
@group(0) @binding(3) var<storage, read_write> x_bar: array<Elem>;  // [batch, c_in, height, width]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    if index >= params.len { return; }
    let col = index % params.width;
    let row = (index / params.width) % params.height;
    let i = (index / (params.width * params.height)) % params.c_in;
    let b = index / (params.width * params.height * params.c_in);
    let plane = params.out_height * params.out_width;

    var sum = 0.0;
    for (var o = 0u; o < params.c_out; o++) {
        let dst_plane = (b * params.c_out + o) * plane;
        let w_plane = (o * params.c_in + i) * params.kh * params.kw;
        for (var dr = 0u; dr < params.kh; dr++) {
            // Above the first row this wraps, and the quotient may lie anywhere.
            let down = row + params.pad_h - dr;
            let r = down / params.stride_h;
            if row + params.pad_h < dr || down % params.stride_h != 0u || r >= params.out_height { continue; }
            for (var dc = 0u; dc < params.kw; dc++) {
                let right = col + params.pad_w - dc;
                let c = right / params.stride_w;
                if col + params.pad_w < dc || right % params.stride_w != 0u || c >= params.out_width { continue; }
                sum += f32(w[w_plane + dr * params.kw + dc]) * f32(dst_bar[dst_plane + r * params.out_width + c]);
            }
        }
    }
    x_bar[index] = Elem(sum);
}
