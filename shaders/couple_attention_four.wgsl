// couple_attention for heads of up to D channels, four queries an invocation:
//   mixed_i = sum_j p_ij v_j / l_i,   p_ij = exp2(t_ij - top_i),   l_i = sum_j p_ij,   stats_i = (top_i, 1 / l_i)
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
@group(0) @binding(2) var<storage, read_write> mixed: array<f32>;   // [rows, padded]
@group(0) @binding(3) var<storage, read_write> stats: array<f32>;   // [rows, 2]

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
    var sums: array<mat4x4<f32>, D4>;
    // The number of rows is not known when the text is compiled, so that this loop stays one and the kernel small.
    for (var r = 0u; r < count; r++) {
        for (var c = 0u; c < D4; c++) {
            q[c] = with_row(q[c], r, heads4(rows + r * D + 4u * c));
        }
    }
    // Below every score, so that the first key raises it.
    var top = vec4<f32>(-3.0e38);
    var l = vec4<f32>();
    let end = select(params.tokens, min(first + 4u, params.tokens), params.causal == 1u);
    for (var j = 0u; j < end; j++) {
        let key = part + (head + j) * D;
        var score = vec4<f32>();
        for (var c = 0u; c < D4; c++) { score += q[c] * heads4(key + 4u * c); }
        let seen = vec4<bool>(params.causal == 0u) | (vec4<u32>(j) <= queries);
        let t = select(top, score * params.to_log2, seen);
        let raised = max(top, ceil(t));
        if any(raised > top) {
            // 2^(top - raised) by its bits; zero below the normal range.
            let exponent = vec4<i32>(clamp(top - raised, vec4<f32>(-127.0), vec4<f32>(0.0)));
            let shrink = bitcast<vec4<f32>>(vec4<u32>(exponent + 127) << vec4<u32>(23u));
            l = l * shrink;
            for (var c = 0u; c < D4; c++) {
                let s = sums[c];
                sums[c] = mat4x4<f32>(s[0] * shrink, s[1] * shrink, s[2] * shrink, s[3] * shrink);
            }
            top = raised;
        }
        let p = select(vec4<f32>(), exp2(t - top), seen);
        l += p;
        let value = key + part;
        for (var c = 0u; c < D4; c++) { sums[c] += outer(p, heads4(value + 4u * c)); }
    }
    let inverse = 1.0 / l;
    for (var r = 0u; r < count; r++) {
        let scale = pick(inverse, r);
        for (var c = 0u; c < D4; c++) {
            let o = row_of(sums[c], r) * scale;
            let at = rows + r * D + 4u * c;
            mixed[at] = o.x;
            mixed[at + 1u] = o.y;
            mixed[at + 2u] = o.z;
            mixed[at + 3u] = o.w;
        }
        let at = 2u * (head + first + r);
        stats[at] = pick(top, r);
        stats[at + 1u] = scale;
    }
}
