// couple_attention_bwd_kv for heads of up to D channels, four keys an invocation:
//   k_bar_j = 1/sqrt(dim) sum_i s_ij q_i,   v_bar_j = sum_i P_ij mixed_bar_i,
//   s_ij = P_ij (<mixed_bar_i, v_j> - delta_i),   P_ij = exp2(t_ij - top_i) / l_i
//
// A query and its cotangent are loaded once for four keys; each key's sums run in the order of the plain kernel.

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

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let place = place_of(linear_group(wid, groups), lane);
    let head = place.head;
    let first = place.first;
    if head >= params.rows || first >= params.tokens { return; }
    let rows = (head + first) * D;
    let count = min(params.tokens - first, 4u);
    let part = params.rows * D;
    let keys = vec4<u32>(first) + vec4<u32>(0u, 1u, 2u, 3u);

    var k: array<mat4x4<f32>, D4>;
    var v: array<mat4x4<f32>, D4>;
    var k_sums: array<mat4x4<f32>, D4>;
    var v_sums: array<mat4x4<f32>, D4>;
    // The number of rows is not known when the text is compiled, so that this loop stays one and the kernel small.
    for (var r = 0u; r < count; r++) {
        let row = part + rows + r * D;
        for (var c = 0u; c < D4; c++) {
            k[c] = with_row(k[c], r, heads4(row + 4u * c));
            v[c] = with_row(v[c], r, heads4(row + part + 4u * c));
        }
    }
    for (var i = select(0u, first, params.causal == 1u); i < params.tokens; i++) {
        let query = (head + i) * D;
        var q: array<vec4<f32>, D4>;
        var g: array<vec4<f32>, D4>;
        var score = vec4<f32>();
        var along = vec4<f32>();
        for (var c = 0u; c < D4; c++) {
            q[c] = heads4(query + 4u * c);
            g[c] = bar4(query + 4u * c);
            score += k[c] * q[c];
            along += v[c] * g[c];
        }
        let seen = vec4<bool>(params.causal == 0u) | (keys <= vec4<u32>(i));
        let scaled = exp2(score * params.to_log2 - stats[2u * (head + i)]) * stats[2u * (head + i) + 1u];
        let p = select(vec4<f32>(), scaled, seen);
        let s = p * (along - delta[head + i]);
        for (var c = 0u; c < D4; c++) {
            k_sums[c] += outer(s, q[c]);
            v_sums[c] += outer(p, g[c]);
        }
    }
    for (var r = 0u; r < count; r++) {
        for (var c = 0u; c < D4; c++) {
            let a = row_of(k_sums[c], r) * params.scale;
            let o = row_of(v_sums[c], r);
            let at = rows + r * D + 4u * c;
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
}
