// couple_attention_bwd_q for heads of up to D channels, four queries an invocation:
//   q_bar_i = 1/sqrt(dim) sum_j s_ij k_j,   s_ij = P_ij (<mixed_bar_i, v_j> - delta_i),   P_ij = exp2(t_ij - top_i) / l_i
//
// A key and its value are loaded once for four queries; each query's sums run in the order of the plain kernel.

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
    let queries = vec4<u32>(first) + vec4<u32>(0u, 1u, 2u, 3u);

    var q: array<mat4x4<f32>, D4>;
    var g: array<mat4x4<f32>, D4>;
    var sums: array<mat4x4<f32>, D4>;
    var top = vec4<f32>();
    var inverse = vec4<f32>();
    var subtract = vec4<f32>();
    // The number of rows is not known when the text is compiled, so that this loop stays one and the kernel small.
    for (var r = 0u; r < count; r++) {
        let row = rows + r * D;
        for (var c = 0u; c < D4; c++) {
            q[c] = with_row(q[c], r, heads4(row + 4u * c));
            g[c] = with_row(g[c], r, bar4(row + 4u * c));
        }
        let here = vec4<u32>(r) == vec4<u32>(0u, 1u, 2u, 3u);
        let at = head + first + r;
        top = select(top, vec4<f32>(stats[2u * at]), here);
        inverse = select(inverse, vec4<f32>(stats[2u * at + 1u]), here);
        subtract = select(subtract, vec4<f32>(delta[at]), here);
    }
    let end = select(params.tokens, min(first + 4u, params.tokens), params.causal == 1u);
    for (var j = 0u; j < end; j++) {
        let key = part + (head + j) * D;
        let value = key + part;
        var k: array<vec4<f32>, D4>;
        var score = vec4<f32>();
        var along = vec4<f32>();
        for (var c = 0u; c < D4; c++) {
            k[c] = heads4(key + 4u * c);
            score += q[c] * k[c];
            along += g[c] * heads4(value + 4u * c);
        }
        let seen = vec4<bool>(params.causal == 0u) | (vec4<u32>(j) <= queries);
        let p = select(vec4<f32>(), exp2(score * params.to_log2 - top) * inverse, seen);
        let s = p * (along - subtract);
        for (var c = 0u; c < D4; c++) { sums[c] += outer(s, k[c]); }
    }
    for (var r = 0u; r < count; r++) {
        for (var c = 0u; c < D4; c++) {
            let o = row_of(sums[c], r) * params.scale;
            let at = rows + r * D + 4u * c;
            q_bar[at] = o.x;
            q_bar[at + 1u] = o.y;
            q_bar[at + 2u] = o.z;
            q_bar[at + 3u] = o.w;
        }
    }
}
