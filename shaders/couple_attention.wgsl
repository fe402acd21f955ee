// mixed_i = sum_j p_ij v_j / l_i,   p_ij = exp2(t_ij - top_i),   l_i = sum_j p_ij,   stats_i = (top_i, 1 / l_i)
//
// Softmax attention in one pass over the keys, without a matrix of scores. top_i is the largest score so far, rounded up
// to an integer: what has been summed is then rescaled by a power of two, which rounds nothing.
// One invocation per query and block of D channels of a head; q and the sums of the block stay in registers. A head of
// several blocks computes its scores in each.

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
@group(0) @binding(2) var<storage, read_write> mixed: array<f32>;     // [rows, padded]
@group(0) @binding(3) var<storage, read_write> stats: array<f32>;   // [rows, 2]

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
    var sums: array<vec4<f32>, D4>;
    for (var c = 0u; c < D4; c++) {
        q[c] = heads4(row + own + 4u * c);
        sums[c] = vec4<f32>();
    }
    // Below every score, so that the first key raises it.
    var top = -3.0e38;
    var l = 0.0;
    let end = select(params.tokens, i + 1u, params.causal == 1u);
    for (var j = 0u; j < end; j++) {
        let key = part + (head + j) * params.padded;
        var score = 0.0;
        for (var c = 0u; c < D4; c++) { score += dot(q[c], heads4(key + own + 4u * c)); }
        if blocks > 1u { score += dot_beyond(row, key, own); }
        let t = score * params.to_log2;
        let raised = max(top, ceil(t));
        if raised > top {
            // 2^(top - raised) by its bits; zero below the normal range.
            let shrink = bitcast<f32>(u32(i32(clamp(top - raised, -127.0, 0.0)) + 127) << 23u);
            l = l * shrink;
            for (var c = 0u; c < D4; c++) { sums[c] = sums[c] * shrink; }
            top = raised;
        }
        let p = exp2(t - top);
        l += p;
        let value = key + part + own;
        for (var c = 0u; c < D4; c++) { sums[c] += p * heads4(value + 4u * c); }
    }
    let inverse = 1.0 / l;
    for (var c = 0u; c < D4; c++) {
        let o = sums[c] * inverse;
        let at = row + own + 4u * c;
        mixed[at] = o.x;
        mixed[at + 1u] = o.y;
        mixed[at + 2u] = o.z;
        mixed[at + 3u] = o.w;
    }
    if own == 0u {
        stats[2u * (head + i)] = top;
        stats[2u * (head + i) + 1u] = inverse;
    }
}
