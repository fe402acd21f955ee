// q_bar_i = 1/sqrt(dim) sum_j s_ij k_j,   s_ij = P_ij (<mixed_bar_i, v_j> - delta_i),   P_ij = exp2(t_ij - top_i) / l_i
//
// Scores are computed again from the heads. One invocation per query and block of D channels of a head, as forward.

struct Params {
    rows: u32,      // batch * heads * tokens
    tokens: u32,
    padded: u32,
    causal: u32,    // 1: keys past the query are left out
    to_log2: f32,   // log2(e) / sqrt(dim)
    scale: f32,     // 1 / sqrt(dim)
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> heads: array<f32>;         // [3, rows, padded]
@group(0) @binding(2) var<storage, read> mixed_bar: array<f32>;       // [rows, padded]
@group(0) @binding(3) var<storage, read> stats: array<f32>;         // [rows, 2]: top, 1 / l
@group(0) @binding(4) var<storage, read> delta: array<f32>;         // [rows]
@group(0) @binding(5) var<storage, read_write> q_bar: array<f32>;   // [rows, padded]

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let place = place_of(linear_group(wid, groups), lane);
    let head = place.head;
    let own = place.own;
    let i = place.token;
    if head >= params.rows || i >= params.tokens { return; }
    let blocks = params.padded / D;
    let row = (head + i) * params.padded;
    let part = params.rows * params.padded;

    var q: array<vec4<f32>, D4>;
    var g: array<vec4<f32>, D4>;
    var sums: array<vec4<f32>, D4>;
    for (var c = 0u; c < D4; c++) {
        q[c] = heads4(row + own + 4u * c);
        g[c] = bar4(row + own + 4u * c);
        sums[c] = vec4<f32>();
    }
    let top = stats[2u * (head + i)];
    let inverse = stats[2u * (head + i) + 1u];
    let subtract = delta[head + i];
    let end = select(params.tokens, i + 1u, params.causal == 1u);
    for (var j = 0u; j < end; j++) {
        let key = part + (head + j) * params.padded;
        let value = key + part;
        var k: array<vec4<f32>, D4>;
        var score = 0.0;
        var along = 0.0;
        for (var c = 0u; c < D4; c++) {
            k[c] = heads4(key + own + 4u * c);
            score += dot(q[c], k[c]);
            along += dot(g[c], heads4(value + own + 4u * c));
        }
        if blocks > 1u {
            score += dot_beyond(row, key, own);
            along += bar_dot_beyond(row, value, own);
        }
        let p = exp2(score * params.to_log2 - top) * inverse;
        let s = p * (along - subtract);
        for (var c = 0u; c < D4; c++) { sums[c] += s * k[c]; }
    }
    for (var c = 0u; c < D4; c++) {
        let o = sums[c] * params.scale;
        let at = row + own + 4u * c;
        q_bar[at] = o.x;
        q_bar[at + 1u] = o.y;
        q_bar[at + 2u] = o.z;
        q_bar[at + 3u] = o.w;
    }
}
