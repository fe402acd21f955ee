// couple_attention_bwd_kv for heads of up to D channels, queries and their cotangents staged in workgroup memory:
//   k_bar_j = 1/sqrt(dim) sum_i s_ij q_i,   v_bar_j = sum_i P_ij mixed_bar_i,
//   s_ij = P_ij (<mixed_bar_i, v_j> - delta_i),   P_ij = exp2(t_ij - top_i) / l_i
//
// One invocation per key, in the order of the plain kernel.

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
@group(0) @binding(5) var<storage, read_write> k_bar: array<f32>;   // [rows, padded]
@group(0) @binding(6) var<storage, read_write> v_bar: array<f32>;   // [rows, padded]

fn one(at: u32) -> vec4<f32> { return heads4(at); }

fn two(at: u32) -> vec4<f32> { return bar4(at); }

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
    let j = place.token + lane;
    let row = (head + min(j, params.tokens - 1u)) * D;
    let part = params.rows * D;
    var k: array<vec4<f32>, D4>;
    var v: array<vec4<f32>, D4>;
    var k_sums: array<vec4<f32>, D4>;
    var v_sums: array<vec4<f32>, D4>;
    for (var c = 0u; c < D4; c++) {
        k[c] = heads4(part + row + 4u * c);
        v[c] = heads4(2u * part + row + 4u * c);
        k_sums[c] = vec4<f32>();
        v_sums[c] = vec4<f32>();
    }
    // The first query that sees this key, and the first one that sees any of the workgroup.
    let sees = select(0u, j, params.causal == 1u);
    // Past the last token there is nothing to do but staging.
    let own_begin = select(params.tokens, sees, j < params.tokens);
    let begin = select(0u, place.token, params.causal == 1u);
    for (var first = begin; first < params.tokens; first += SHARED) {
        let count = min(SHARED, params.tokens - first);
        stage(lane, head + first, count);
        for (var i = max(first, own_begin); i < first + count; i++) {
            let at = (i - first) * D4;
            var score = 0.0;
            var along = 0.0;
            for (var c = 0u; c < D4; c++) {
                score += dot(k[c], shared_one[at + c]);
                along += dot(v[c], shared_two[at + c]);
            }
            let query = head + i;
            let p = exp2(score * params.to_log2 - stats[2u * query]) * stats[2u * query + 1u];
            let s = p * (along - delta[query]);
            for (var c = 0u; c < D4; c++) {
                k_sums[c] += s * shared_one[at + c];
                v_sums[c] += p * shared_two[at + c];
            }
        }
    }
    if j >= params.tokens { return; }
    for (var c = 0u; c < D4; c++) {
        let a = k_sums[c] * params.scale;
        let o = v_sums[c];
        let at = row + 4u * c;
        k_bar[at] = a.x;
        k_bar[at + 1u] = a.y;
        k_bar[at + 2u] = a.z;
        k_bar[at + 3u] = a.w;
        v_bar[at] = o.x;
        v_bar[at + 1u] = o.y;
        v_bar[at + 2u] = o.z;
        v_bar[at + 3u] = o.w;
    }
}
