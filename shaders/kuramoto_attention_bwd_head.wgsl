// tau_bar = -1/tau sum_d gate_d gate_bar_d,   eta_bar = sum_bt pull
//
// A workgroup per head strides over its angles, and over samples and tokens, then trees of fixed shape.

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
@group(0) @binding(1) var<storage, read> gate: array<f32>;           // [heads, dim]
@group(0) @binding(2) var<storage, read> tau: array<f32>;            // [heads]
@group(0) @binding(3) var<storage, read> gate_bar: array<f32>;       // [heads, dim]
@group(0) @binding(4) var<storage, read> pull: array<f32>;           // [rows]
@group(0) @binding(5) var<storage, read_write> tau_bar: array<f32>;  // [heads]
@group(0) @binding(6) var<storage, read_write> eta_bar: array<f32>;  // [heads]

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let h = linear_group(wid, groups);
    // Past the last head nothing is read or written, but the sums are joined.
    let here = h < params.heads;
    var metric = 0.0;
    for (var d = lane; d < select(0u, params.dim, here); d += WG) {
        metric += gate[h * params.dim + d] * gate_bar[h * params.dim + d];
    }
    var pulled = 0.0;
    for (var i = lane; i < select(0u, params.batch * params.tokens, here); i += WG) {
        pulled += pull[(i / params.tokens * params.heads + h) * params.tokens + i % params.tokens];
    }
    let metric_sum = tree_sum(lane, metric);
    let pulled_sum = tree_sum(lane, pulled);
    if lane == 0u && here {
        tau_bar[h] = -metric_sum / tau[h];
        eta_bar[h] = pulled_sum;
    }
}
