// weights_tu = exp2(q_t . k_u log2(e) - top_t) / l_t, zero where the query does not see the key
//
// The matrix that attention itself never forms, for looking at. One invocation per query and key.

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
@group(0) @binding(1) var<storage, read> features: array<f32>;       // [3, rows, 2 half]: q, k, v
@group(0) @binding(2) var<storage, read> stats: array<f32>;          // [rows, 2]: top, 1 / l
@group(0) @binding(3) var<storage, read_write> weights: array<f32>;  // [batch, heads, tokens, tokens]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    if index >= row_count() * params.tokens { return; }
    let row = index / params.tokens;
    let key = index % params.tokens;
    let query = row % params.tokens;
    let width = 2u * params.half;
    let other = (row_count() + row - query + key) * width;
    var score = 0.0;
    for (var c = 0u; c < width; c++) { score += features[row * width + c] * features[other + c]; }
    let weight = exp2(score * 1.4426950408889634 - stats[2u * row]) * stats[2u * row + 1u];
    weights[index] = select(weight, 0.0, params.causal == 1u && key > query);
}
