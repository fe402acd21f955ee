// x_bar[b, i, r, c] = sum_{o, dr, dc} w[o, i, dr, dc] dst_bar[b, o, r - dr + kh/2, c - dc + kw/2]
//
// The transpose of couple_conv2d in x: the flipped, channel-transposed kernel.
// One invocation per element of x.

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
@group(0) @binding(1) var<storage, read> w: array<Elem>;            // [c_out, c_in, kh, kw]
@group(0) @binding(2) var<storage, read> dst_bar: array<Elem>;      // [batch, c_out, height, width]
@group(0) @binding(3) var<storage, read_write> x_bar: array<Elem>;  // [batch, c_in, height, width]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    let plane = params.height * params.width;
    if index >= params.batch * params.c_in * plane { return; }
    let c = index % params.width;
    let r = (index / params.width) % params.height;
    let i = (index / plane) % params.c_in;
    let b = index / (plane * params.c_in);

    var sum = 0.0;
    for (var o = 0u; o < params.c_out; o++) {
        let dst_plane = (b * params.c_out + o) * plane;
        let w_plane = (o * params.c_in + i) * params.kh * params.kw;
        for (var dr = 0u; dr < params.kh; dr++) {
            // Above the first row this wraps past every height.
            let row = r + params.kh / 2u - dr;
            if row >= params.height { continue; }
            for (var dc = 0u; dc < params.kw; dc++) {
                let col = c + params.kw / 2u - dc;
                if col >= params.width { continue; }
                sum += f32(w[w_plane + dr * params.kw + dc]) * f32(dst_bar[dst_plane + row * params.width + col]);
            }
        }
    }
    x_bar[index] = Elem(sum);
}
