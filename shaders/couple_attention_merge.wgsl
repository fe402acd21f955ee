// dst[b, channel(h, c), s] = (M_o[s] mixed[b, h, s])_c
//
// The output's matrices, and the heads back into channels. One invocation per element of dst.

struct Params {
    batch: u32,
    tokens: u32,
    inner: u32,
    heads: u32,
    dim: u32,
    padded: u32,
    interleaved: u32,  // 1: channel = c * heads + h; 0: channel = h * dim + c
    given: u32,        // bit p: matrices of part p (q, k, v, o) are given; others are not read
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> mixed: array<f32>;          // [batch, heads, tokens, padded]
@group(0) @binding(2) var<storage, read> mat_o: array<Elem>;       // [tokens, dim / 2, 2, 2]
@group(0) @binding(3) var<storage, read_write> dst: array<Elem>;   // [batch, rows, C, inner]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    let width = params.heads * params.dim;
    if index >= params.batch * params.tokens * width { return; }
    let place = index / params.inner;
    let channel = place % width;
    let row = place / width;
    let rows = params.tokens / params.inner;
    let b = row / rows;
    let token = (row % rows) * params.inner + index % params.inner;
    let interleaved = params.interleaved == 1u;
    let h = select(channel / params.dim, channel % params.heads, interleaved);
    let c = select(channel % params.dim, channel / params.heads, interleaved);

    let base = ((b * params.heads + h) * params.tokens + token) * params.padded;
    var value = mixed[base + c];
    if (params.given & 8u) != 0u {
        let first = matrix_of(token, c) + (c % 2u) * 2u;
        let pair = base + c - c % 2u;
        value = f32(mat_o[first]) * mixed[pair] + f32(mat_o[first + 1u]) * mixed[pair + 1u];
    }
    dst[index] = Elem(value);
}
