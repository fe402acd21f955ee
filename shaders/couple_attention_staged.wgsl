// couple_attention for heads of up to D channels, keys and values staged in workgroup memory:
//   mixed_i = sum_j p_ij v_j / l_i,   p_ij = exp2(t_ij - top_i),   l_i = sum_j p_ij,   stats_i = (top_i, 1 / l_i)
//
// One invocation per query, in the order of the plain kernel. Up to SHARED tokens, all keys are resident at once.

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
    let row = (head + min(i, params.tokens - 1u)) * D;
    var q: array<vec4<f32>, D4>;
    var sums: array<vec4<f32>, D4>;
    for (var c = 0u; c < D4; c++) {
        q[c] = heads4(row + 4u * c);
        sums[c] = vec4<f32>();
    }
    // Below every score, so that the first key raises it.
    var top = -3.0e38;
    var l = 0.0;
    // Of this query, and of the last one of the workgroup; past the last token there is nothing to do but staging.
    let seen = select(params.tokens, min(i + 1u, params.tokens), params.causal == 1u);
    let own_end = select(0u, seen, i < params.tokens);
    let end = select(params.tokens, min(place.token + WG, params.tokens), params.causal == 1u);
    for (var first = 0u; first < end; first += SHARED) {
        stage(lane, head + first, min(SHARED, params.tokens - first));
        for (var j = first; j < min(first + SHARED, own_end); j++) {
            let at = (j - first) * D4;
            var score = 0.0;
            for (var c = 0u; c < D4; c++) { score += dot(q[c], shared_one[at + c]); }
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
            for (var c = 0u; c < D4; c++) { sums[c] += p * shared_two[at + c]; }
        }
    }
    if i >= params.tokens { return; }
    let inverse = 1.0 / l;
    for (var c = 0u; c < D4; c++) {
        let o = sums[c] * inverse;
        let at = row + 4u * c;
        mixed[at] = o.x;
        mixed[at + 1u] = o.y;
        mixed[at + 2u] = o.z;
        mixed[at + 3u] = o.w;
    }
    stats[2u * (head + i)] = top;
    stats[2u * (head + i) + 1u] = inverse;
}
