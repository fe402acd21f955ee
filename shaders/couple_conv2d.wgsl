// dst[b, o, r, c] = bias[o] + sum_{i, dr, dc} w[o, i, dr, dc] x[b, i, r + dr - kh/2, c + dc - kw/2] + drive[b, o, r, c]
//
// Stride 1, odd kernel, zero padding. One invocation per output element.

struct Params {
    batch: u32,
    c_in: u32,
    c_out: u32,
    height: u32,
    width: u32,
    kh: u32,
    kw: u32,
    driven: u32,  // 0: drive is bound to w and not read
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;          // [batch, c_in, height, width]
@group(0) @binding(2) var<storage, read> w: array<Elem>;          // [c_out, c_in, kh, kw]
@group(0) @binding(3) var<storage, read> bias: array<Elem>;       // [c_out]
@group(0) @binding(4) var<storage, read> drive: array<Elem>;      // [batch, c_out, height, width]
@group(0) @binding(5) var<storage, read_write> dst: array<Elem>;  // [batch, c_out, height, width]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    let plane = params.height * params.width;
    if index >= params.batch * params.c_out * plane { return; }
    let c = index % params.width;
    let r = (index / params.width) % params.height;
    let o = (index / plane) % params.c_out;
    let b = index / (plane * params.c_out);

    var sum = f32(bias[o]);
    for (var i = 0u; i < params.c_in; i++) {
        let x_plane = (b * params.c_in + i) * plane;
        let w_plane = (o * params.c_in + i) * params.kh * params.kw;
        for (var dr = 0u; dr < params.kh; dr++) {
            // Above the first row this wraps past every height.
            let row = r + dr - params.kh / 2u;
            if row >= params.height { continue; }
            for (var dc = 0u; dc < params.kw; dc++) {
                let col = c + dc - params.kw / 2u;
                if col >= params.width { continue; }
                sum += f32(w[w_plane + dr * params.kw + dc]) * f32(x[x_plane + row * params.width + col]);
            }
        }
    }
    if params.driven == 1u { sum += f32(drive[index]); }
    dst[index] = Elem(sum);
}
