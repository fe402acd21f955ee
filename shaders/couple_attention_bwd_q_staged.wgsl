// couple_attention_bwd_q for heads of up to D channels, keys and values staged in workgroup memory:
//   q_bar_i = 1/sqrt(dim) sum_j s_ij k_j,   s_ij = P_ij (<mixed_bar_i, v_j> - delta_i),   P_ij = exp2(t_ij - top_i) / l_i
//
// One invocation per query, in the order of the plain kernel.

struct Params {
    rows: u32,      // batch * heads * tokens
    tokens: u32,
    padded: u32,    // D
    causal: u32,    // 1: keys past the query are left out
    to_log2: f32,   // log2(e) / sqrt(dim)
    scale: f32,     // 1 / sqrt(dim)
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> heads: array<f32>;         // [3, rows, padded]
@group(0) @binding(2) var<storage, read> mixed_bar: array<f32>;     // [rows, padded]
@group(0) @binding(3) var<storage, read> stats: array<f32>;         // [rows, 2]: top, 1 / l
@group(0) @binding(4) var<storage, read> delta: array<f32>;         // [rows]
@group(0) @binding(5) var<storage, read_write> q_bar: array<f32>;   // [rows, padded]

fn one(at: u32) -> vec4<f32> { return heads4(params.rows * D + at); }

fn two(at: u32) -> vec4<f32> { return heads4(2u * params.rows * D + at); }

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    // Of the workgroup's first invocation: the same for all, so that all reach the barriers.
    let place = place_of(linear_group(wid, groups), 0u);
    let head = place.head;
    if head >= params.rows { return; }
    let i = place.token + lane;
    let query = head + min(i, params.tokens - 1u);
    var q: array<vec4<f32>, D4>;
    var g: array<vec4<f32>, D4>;
    var sums: array<vec4<f32>, D4>;
    for (var c = 0u; c < D4; c++) {
        q[c] = heads4(query * D + 4u * c);
        g[c] = bar4(query * D + 4u * c);
        sums[c] = vec4<f32>();
    }
    let top = stats[2u * query];
    let inverse = stats[2u * query + 1u];
    let subtract = delta[query];
    // Of this query, and of the last one of the workgroup; past the last token there is nothing to do but staging.
    let seen = select(params.tokens, min(i + 1u, params.tokens), params.causal == 1u);
    let own_end = select(0u, seen, i < params.tokens);
    let end = select(params.tokens, min(place.token + WG, params.tokens), params.causal == 1u);
    for (var first = 0u; first < end; first += SHARED) {
        stage(lane, head + first, min(SHARED, params.tokens - first));
        for (var j = first; j < min(first + SHARED, own_end); j++) {
            let at = (j - first) * D4;
            var score = 0.0;
            var along = 0.0;
            for (var c = 0u; c < D4; c++) {
                score += dot(q[c], shared_one[at + c]);
                along += dot(g[c], shared_two[at + c]);
            }
            let p = exp2(score * params.to_log2 - top) * inverse;
            let s = p * (along - subtract);
            for (var c = 0u; c < D4; c++) { sums[c] += s * shared_one[at + c]; }
        }
    }
    if i >= params.tokens { return; }
    for (var c = 0u; c < D4; c++) {
        let o = sums[c] * params.scale;
        let at = query * D + 4u * c;
        q_bar[at] = o.x;
        q_bar[at + 1u] = o.y;
        q_bar[at + 2u] = o.z;
        q_bar[at + 3u] = o.w;
    }
}
