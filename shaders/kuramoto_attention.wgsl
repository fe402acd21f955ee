// dst = wrap(theta + eta (S cos theta - C sin theta)),   (C, S) = sum_u A_tu (cos theta_u, sin theta_u)
//
// The step after the attention: along the circle, towards the weighted circular mean. One invocation per row and angle.

struct Params {
    batch: u32,
    tokens: u32,
    heads: u32,
    dim: u32,     // angles of a head
    half: u32,    // of the features, dim of which count and the rest are zero
    causal: u32,  // 1: keys past the query are left out
    content: u32, // 1: tokens have gates, and features a fourth part, phases without any
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> theta: array<Elem>;      // [batch, tokens, heads, dim]
@group(0) @binding(2) var<storage, read> eta: array<f32>;         // [heads]
@group(0) @binding(3) var<storage, read> features: array<f32>;    // [3, rows, 2 half]: q, k, v
@group(0) @binding(4) var<storage, read> mixed: array<f32>;       // [rows, 2 half]: C, S
@group(0) @binding(5) var<storage, read_write> dst: array<Elem>;  // [batch, tokens, heads, dim]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    if index >= row_count() * params.dim { return; }
    let row = index / params.dim;
    let d = index % params.dim;
    let c = row * 2u * params.half + d;
    let v = 4u * row_count() * params.half + c;
    let at = angle_of(row) + d;
    let pull = mixed[c + params.half] * features[v] - mixed[c] * features[v + params.half];
    dst[at] = Elem(wrap(f32(theta[at]) + eta[head_of(row)] * pull));
}
