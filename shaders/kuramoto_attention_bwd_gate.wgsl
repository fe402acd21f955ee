// gate_bar = 1/tau sum_bt query_gate q_bar . e,   drift_bar = sum_bt t (q_bar . J(q) + k_bar . J(k)),
// J(x) = (-x_s, x_c) for the cosine x_c and the sine x_s of one angle
//
// A workgroup per head and angle strides over samples and tokens, then trees of fixed shape.

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
@group(0) @binding(1) var<storage, read> tau: array<f32>;              // [heads]
@group(0) @binding(2) var<storage, read> query_gate: array<Elem>;      // [batch, tokens, heads, dim]
@group(0) @binding(3) var<storage, read> features: array<f32>;         // [3, rows, 2 half]: q, k, v; or [4, ...]: and e
@group(0) @binding(4) var<storage, read> q_bar: array<f32>;            // [rows, 2 half]
@group(0) @binding(5) var<storage, read> k_bar: array<f32>;            // [rows, 2 half]
@group(0) @binding(6) var<storage, read_write> gate_bar: array<f32>;   // [heads, dim]
@group(0) @binding(7) var<storage, read_write> drift_bar: array<f32>;  // [heads, dim]

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let which = linear_group(wid, groups);
    let h = which / params.dim;
    let d = which % params.dim;
    // Past the last angle nothing is read or written, but the sums are joined.
    let end = select(0u, params.batch * params.tokens, h < params.heads);
    let k = 2u * row_count() * params.half;
    let e = select(k, 3u * k, params.content == 1u);
    var met = 0.0;
    var moved = 0.0;
    for (var i = lane; i < end; i += WG) {
        let token = i % params.tokens;
        let row = (i / params.tokens * params.heads + h) * params.tokens + token;
        let c = row * 2u * params.half + d;
        let s = c + params.half;
        let along = q_bar[c] * features[e + c] + q_bar[s] * features[e + s];
        if params.content == 1u {
            met += f32(query_gate[angle_of(row) + d]) * along;
        } else {
            met += along;
        }
        let of_q = features[c] * q_bar[s] - features[s] * q_bar[c];
        let of_k = features[k + c] * k_bar[s] - features[k + s] * k_bar[c];
        moved += f32(token) * (of_q + of_k);
    }
    let met_sum = tree_sum(lane, met);
    let moved_sum = tree_sum(lane, moved);
    if lane == 0u && h < params.heads {
        gate_bar[which] = met_sum / tau[h];
        drift_bar[which] = moved_sum;
    }
}
