// dst[b, channel(h, c), s] = (M_o[s] mixed[b, h, s])_c
//
// The output's matrices, and the heads back into channels. One invocation per token and pair of channels, which takes all
// heads.

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
    let pairs = (params.dim + 1u) / 2u;
    if index >= params.batch * pairs * params.tokens { return; }
    let token = index % params.tokens;
    let c = (index / params.tokens) % pairs * 2u;
    let b = index / (params.tokens * pairs);
    let to = token_of(b, token, params.heads * params.dim);

    let given = (params.given & 8u) != 0u;
    var m = vec4<f32>();
    if given {
        let at = matrix_of(token, c);
        m = vec4<f32>(f32(mat_o[at]), f32(mat_o[at + 1u]), f32(mat_o[at + 2u]), f32(mat_o[at + 3u]));
    }
    for (var h = 0u; h < params.heads; h++) {
        let source = ((b * params.heads + h) * params.tokens + token) * params.padded + c;
        var o = vec2<f32>(mixed[source], mixed[source + 1u]);
        if given { o = m.xz * o.x + m.yw * o.y; }
        dst[to + channel_of(h, c) * params.inner] = Elem(o.x);
        if c + 1u < params.dim { dst[to + channel_of(h, c + 1u) * params.inner] = Elem(o.y); }
    }
}
