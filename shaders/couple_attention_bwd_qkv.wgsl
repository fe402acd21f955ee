// qkv_bar[b, part, channel(h, c), s] = (M_part[s]ᵀ part_bar[b, h, s])_c   for part = q, k, v
//
// The heads' cotangents back through the matrices into channels. One invocation per token and pair of
// channels, which takes all heads and parts: the matrices are loaded once.

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
@group(0) @binding(1) var<storage, read> q_bar: array<f32>;            // [batch, heads, tokens, padded]
@group(0) @binding(2) var<storage, read> k_bar: array<f32>;            // [batch, heads, tokens, padded]
@group(0) @binding(3) var<storage, read> v_bar: array<f32>;            // [batch, heads, tokens, padded]
@group(0) @binding(4) var<storage, read> mat_q: array<Elem>;           // [tokens, dim / 2, 2, 2]
@group(0) @binding(5) var<storage, read> mat_k: array<Elem>;           // [tokens, dim / 2, 2, 2]
@group(0) @binding(6) var<storage, read> mat_v: array<Elem>;           // [tokens, dim / 2, 2, 2]
@group(0) @binding(7) var<storage, read_write> qkv_bar: array<Elem>;   // [batch, rows, 3 C, inner]

fn bar(part: u32, at: u32) -> vec2<f32> {
    if part == 0u { return vec2<f32>(q_bar[at], q_bar[at + 1u]); }
    if part == 1u { return vec2<f32>(k_bar[at], k_bar[at + 1u]); }
    return vec2<f32>(v_bar[at], v_bar[at + 1u]);
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    let pairs = (params.dim + 1u) / 2u;
    if index >= params.batch * pairs * params.tokens { return; }
    let token = index % params.tokens;
    let c = (index / params.tokens) % pairs * 2u;
    let b = index / (params.tokens * pairs);
    let width = params.heads * params.dim;
    let to = token_of(b, token, 3u * width);

    for (var part = 0u; part < 3u; part++) {
        let given = ((params.given >> part) & 1u) == 1u;
        var m = vec4<f32>();
        if given { m = matrix(part, matrix_of(token, c)); }
        for (var h = 0u; h < params.heads; h++) {
            var g = bar(part, ((b * params.heads + h) * params.tokens + token) * params.padded + c);
            if given { g = m.xy * g.x + m.zw * g.y; }
            let channel = part * width + channel_of(h, c);
            let next = part * width + channel_of(h, c + 1u);
            qkv_bar[to + channel * params.inner] = Elem(g.x);
            if c + 1u < params.dim { qkv_bar[to + next * params.inner] = Elem(g.y); }
        }
    }
}
