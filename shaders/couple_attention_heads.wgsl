// heads[part, b, h, s, c] = (M_part[s] x_part)_c   for part = q, k, v
//
// Splits the channels of qkv into heads, pads them with zeros and applies the 2 x 2 matrix of a token to each pair of
// channels (2m, 2m + 1) of a head. One invocation per token and pair of channels, which takes all heads and parts: the
// matrices are loaded once.

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

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    let pairs = params.padded / 2u;
    if index >= params.batch * pairs * params.tokens { return; }
    let token = index % params.tokens;
    let c = (index / params.tokens) % pairs * 2u;
    let b = index / (params.tokens * pairs);
    let width = params.heads * params.dim;
    let source = token_of(b, token, 3u * width);
    let each = params.batch * params.heads * params.tokens * params.padded;

    for (var part = 0u; part < 3u; part++) {
        let given = ((params.given >> part) & 1u) == 1u && c < params.dim;
        var m = vec4<f32>();
        if given { m = matrix(part, matrix_of(token, c)); }
        for (var h = 0u; h < params.heads; h++) {
            let channel = part * width + channel_of(h, c);
            let next = part * width + channel_of(h, c + 1u);
            var x = vec2<f32>();
            if c < params.dim { x.x = f32(qkv[source + channel * params.inner]); }
            if c + 1u < params.dim { x.y = f32(qkv[source + next * params.inner]); }
            if given { x = m.xw * x + m.yz * x.yx; }
            let to = part * each + ((b * params.heads + h) * params.tokens + token) * params.padded + c;
            heads[to] = x.x;
            heads[to + 1u] = x.y;
        }
    }
}
