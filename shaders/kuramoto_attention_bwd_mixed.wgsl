// C_bar = -eta G sin theta,   S_bar = eta G cos theta,   delta = C_bar . C + S_bar . S,
// pull = G . (S cos theta - C sin theta),   G = dst_bar
//
// The cotangents of what was mixed, what the softmax's transpose subtracts, and each row's part of eta_bar. One invocation
// per row.

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
@group(0) @binding(1) var<storage, read> eta: array<f32>;              // [heads]
@group(0) @binding(2) var<storage, read> features: array<f32>;         // [3, rows, 2 half]: q, k, v
@group(0) @binding(3) var<storage, read> mixed: array<f32>;            // [rows, 2 half]: C, S
@group(0) @binding(4) var<storage, read> dst_bar: array<Elem>;         // [batch, tokens, heads, dim]
@group(0) @binding(5) var<storage, read_write> mixed_bar: array<f32>;  // [rows, 2 half]
@group(0) @binding(6) var<storage, read_write> delta: array<f32>;      // [rows]
@group(0) @binding(7) var<storage, read_write> pull: array<f32>;       // [rows]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    let row = index;
    if row >= row_count() { return; }
    let from_bar = angle_of(row);
    let step = eta[head_of(row)];
    var along = 0.0;
    var pulled = 0.0;
    for (var d = 0u; d < params.half; d++) {
        var g = 0.0;
        if d < params.dim { g = f32(dst_bar[from_bar + d]); }
        let c = row * 2u * params.half + d;
        let s = c + params.half;
        let v = 4u * row_count() * params.half;
        let c_bar = -(step * g) * features[v + s];
        let s_bar = (step * g) * features[v + c];
        mixed_bar[c] = c_bar;
        mixed_bar[s] = s_bar;
        along += c_bar * mixed[c] + s_bar * mixed[s];
        pulled += g * (mixed[s] * features[v + c] - mixed[c] * features[v + s]);
    }
    delta[row] = along;
    pull[row] = pulled;
}
