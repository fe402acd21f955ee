// mixed_bar[b, h, s] = M_o[s]ᵀ dst_bar[b, channel(h, .), s],   delta[b, h, s] = mixed_bar . mixed
//
// The cotangent before the output's matrices and, since sum_j p_ij <mixed_bar_i, v_j> = <mixed_bar_i, mixed_i>, what the
// softmax's transpose subtracts. One invocation per query of a head.

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
@group(0) @binding(1) var<storage, read> dst_bar: array<Elem>;          // [batch, rows, C, inner]
@group(0) @binding(2) var<storage, read> mat_o: array<Elem>;            // [tokens, dim / 2, 2, 2]
@group(0) @binding(3) var<storage, read> mixed: array<f32>;               // [batch, heads, tokens, padded]
@group(0) @binding(4) var<storage, read_write> mixed_bar: array<f32>;     // [batch, heads, tokens, padded]
@group(0) @binding(5) var<storage, read_write> delta: array<f32>;       // [batch, heads, tokens]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    if index >= params.batch * params.heads * params.tokens { return; }
    let token = index % params.tokens;
    let h = (index / params.tokens) % params.heads;
    let b = index / (params.tokens * params.heads);
    let source = token_of(b, token, params.heads * params.dim);

    var sum = 0.0;
    for (var c = 0u; c < params.padded; c += 2u) {
        var g = vec2<f32>();
        if c < params.dim { g.x = f32(dst_bar[source + channel_of(h, c) * params.inner]); }
        if c + 1u < params.dim { g.y = f32(dst_bar[source + channel_of(h, c + 1u) * params.inner]); }
        if (params.given & 8u) != 0u && c < params.dim {
            let at = matrix_of(token, c);
            let first = vec2<f32>(f32(mat_o[at]), f32(mat_o[at + 1u]));
            let second = vec2<f32>(f32(mat_o[at + 2u]), f32(mat_o[at + 3u]));
            g = first * g.x + second * g.y;
        }
        let at = index * params.padded + c;
        mixed_bar[at] = g.x;
        mixed_bar[at + 1u] = g.y;
        sum += g.x * mixed[at];
        sum += g.y * mixed[at + 1u];
    }
    delta[index] = sum;
}
