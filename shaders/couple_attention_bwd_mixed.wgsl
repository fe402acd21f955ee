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
    let width = params.heads * params.dim;

    var sum = 0.0;
    for (var c = 0u; c < params.padded; c++) {
        let at = index * params.padded + c;
        var value = 0.0;
        if c < params.dim {
            value = f32(dst_bar[in_state(b, token, channel_of(h, c), width)]);
            if (params.given & 8u) != 0u {
                let other = f32(dst_bar[in_state(b, token, channel_of(h, c ^ 1u), width)]);
                let column = matrix_of(token, c) + c % 2u;
                let own_row = f32(mat_o[column + (c % 2u) * 2u]);
                let other_row = f32(mat_o[column + ((c ^ 1u) % 2u) * 2u]);
                value = own_row * value + other_row * other;
            }
        }
        mixed_bar[at] = value;
        sum += value * mixed[at];
    }
    delta[index] = sum;
}
