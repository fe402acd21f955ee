// k_bar_j = 1/sqrt(dim) sum_i s_ij q_i,   v_bar_j = sum_i P_ij mixed_bar_i,
// s_ij = P_ij (<mixed_bar_i, v_j> - delta_i),   P_ij = exp2(t_ij - top_i) / l_i
//
// The same sums as for the queries, by columns: one invocation per key and block of D channels of a head, so that no two
// write the same place.

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
@group(0) @binding(5) var<storage, read_write> k_bar: array<f32>;   // [rows, padded]
@group(0) @binding(6) var<storage, read_write> v_bar: array<f32>;   // [rows, padded]

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let place = place_of(linear_group(wid, groups), lane);
    let head = place.head;
    let own = place.own;
    let j = place.token;
    if head >= params.rows || j >= params.tokens { return; }
    let blocks = params.padded / D;
    let row = (head + j) * params.padded;
    let part = params.rows * params.padded;

    var k: array<vec4<f32>, D4>;
    var v: array<vec4<f32>, D4>;
    var k_sums: array<vec4<f32>, D4>;
    var v_sums: array<vec4<f32>, D4>;
    for (var c = 0u; c < D4; c++) {
        k[c] = heads4(part + row + own + 4u * c);
        v[c] = heads4(2u * part + row + own + 4u * c);
        k_sums[c] = vec4<f32>();
        v_sums[c] = vec4<f32>();
    }
    for (var i = select(0u, j, params.causal == 1u); i < params.tokens; i++) {
        let query = (head + i) * params.padded;
        var q: array<vec4<f32>, D4>;
        var g: array<vec4<f32>, D4>;
        var score = 0.0;
        var along = 0.0;
        for (var c = 0u; c < D4; c++) {
            q[c] = heads4(query + own + 4u * c);
            g[c] = bar4(query + own + 4u * c);
            score += dot(q[c], k[c]);
            along += dot(g[c], v[c]);
        }
        if blocks > 1u {
            score += dot_beyond(query, part + row, own);
            along += bar_dot_beyond(query, 2u * part + row, own);
        }
        let p = exp2(score * params.to_log2 - stats[2u * (head + i)]) * stats[2u * (head + i) + 1u];
        let s = p * (along - delta[head + i]);
        for (var c = 0u; c < D4; c++) {
            k_sums[c] += s * q[c];
            v_sums[c] += p * g[c];
        }
    }
    for (var c = 0u; c < D4; c++) {
        let a = k_sums[c] * params.scale;
        let o = v_sums[c];
        let at = row + own + 4u * c;
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
