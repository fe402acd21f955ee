// qkv_bar[b, part, channel(h, c), s] = (M_part[s]ᵀ part_bar[b, h, s])_c   for part = q, k, v
//
// The heads' cotangents back through the matrices into channels. One invocation per element of qkv.

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

fn bar(part: u32, at: u32) -> f32 {
    if part == 0u { return q_bar[at]; }
    if part == 1u { return k_bar[at]; }
    return v_bar[at];
}

fn matrix_entry(part: u32, at: u32) -> f32 {
    if part == 0u { return f32(mat_q[at]); }
    if part == 1u { return f32(mat_k[at]); }
    return f32(mat_v[at]);
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    let width = params.heads * params.dim;
    if index >= params.batch * params.tokens * 3u * width { return; }
    let place = index / params.inner;
    let part = (place % (3u * width)) / width;
    let channel = place % width;
    let row = place / (3u * width);
    let rows = params.tokens / params.inner;
    let b = row / rows;
    let token = (row % rows) * params.inner + index % params.inner;
    let interleaved = params.interleaved == 1u;
    let h = select(channel / params.dim, channel % params.heads, interleaved);
    let c = select(channel % params.dim, channel / params.heads, interleaved);

    let base = ((b * params.heads + h) * params.tokens + token) * params.padded;
    var value = bar(part, base + c);
    if ((params.given >> part) & 1u) == 1u {
        let column = matrix_of(token, c) + c % 2u;
        let pair = base + c - c % 2u;
        value = matrix_entry(part, column) * bar(part, pair) + matrix_entry(part, column + 2u) * bar(part, pair + 1u);
    }
    qkv_bar[index] = Elem(value);
}
