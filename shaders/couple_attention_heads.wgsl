// heads[part, b, h, s, c] = (M_part[s] x_part)_c   for part = q, k, v
//
// Splits the channels of qkv into heads, pads them with zeros and applies the 2 x 2 matrix of a token to each pair of
// channels (2m, 2m + 1) of a head. One invocation per element of heads.

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
@group(0) @binding(1) var<storage, read> qkv: array<Elem>;          // [batch, rows, 3 C, inner]
@group(0) @binding(2) var<storage, read> mat_q: array<Elem>;        // [tokens, dim / 2, 2, 2]
@group(0) @binding(3) var<storage, read> mat_k: array<Elem>;        // [tokens, dim / 2, 2, 2]
@group(0) @binding(4) var<storage, read> mat_v: array<Elem>;        // [tokens, dim / 2, 2, 2]
@group(0) @binding(5) var<storage, read_write> heads: array<f32>;   // [3, batch, heads, tokens, padded]

fn matrix_entry(part: u32, at: u32) -> f32 {
    if part == 0u { return f32(mat_q[at]); }
    if part == 1u { return f32(mat_k[at]); }
    return f32(mat_v[at]);
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    let each = params.batch * params.heads * params.tokens * params.padded;
    if index >= 3u * each { return; }
    let part = index / each;
    let c = index % params.padded;
    let token = (index / params.padded) % params.tokens;
    let h = (index / (params.padded * params.tokens)) % params.heads;
    let b = (index % each) / (params.padded * params.tokens * params.heads);

    var value = 0.0;
    if c < params.dim {
        let width = params.heads * params.dim;
        let own = f32(qkv[in_state(b, token, part * width + channel_of(h, c), 3u * width)]);
        value = own;
        if ((params.given >> part) & 1u) == 1u {
            let other = f32(qkv[in_state(b, token, part * width + channel_of(h, c ^ 1u), 3u * width)]);
            let row = matrix_of(token, c) + (c % 2u) * 2u;
            let on_own = matrix_entry(part, row + c % 2u);
            let on_other = matrix_entry(part, row + (c ^ 1u) % 2u);
            value = on_own * own + on_other * other;
        }
    }
    heads[index] = value;
}
