// field_i = sum_j W_ij a_j,   W_ij = coupling(q_i . k_j / sqrt(dim)),   j over the keys that query i sees
//
// The field of each query's oscillator, with the anchors a_j of the keys' positions. One invocation per query of a head;
// scores are not stored.

struct Params {
    batch: u32,
    tokens: u32,
    heads: u32,
    dim: u32,
    positions: u32,  // of the anchors, at least tokens
    causal: u32,     // 1: keys past the query are left out
    padded: u32,     // 1: keys from lengths on are left out; else lengths are not read
    coupling: u32,
    scale: f32,      // 1 / sqrt(dim)
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<Elem>;            // [batch, tokens, heads * dim]
@group(0) @binding(2) var<storage, read> k: array<Elem>;            // [batch, tokens, heads * dim]
@group(0) @binding(3) var<storage, read> anchors: array<Elem>;      // [heads, positions, N]
@group(0) @binding(4) var<storage, read> lengths: array<u32>;       // [batch]
@group(0) @binding(5) var<storage, read_write> field: array<Elem>;  // [batch, heads, tokens, N]

fn q4(at: u32, c: u32) -> vec4<f32> {
    let i = at + c;
    return select(vec4<f32>(), vec4<f32>(f32(q[i]), f32(q[i + 1u]), f32(q[i + 2u]), f32(q[i + 3u])), within(c));
}

fn k4(at: u32, c: u32) -> vec4<f32> {
    let i = at + c;
    return select(vec4<f32>(), vec4<f32>(f32(k[i]), f32(k[i + 1u]), f32(k[i + 2u]), f32(k[i + 3u])), within(c));
}

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let place = place_of(linear_group(wid, groups), lane, params.tokens);
    let i = place.token;
    if place.batch >= params.batch || i >= params.tokens { return; }

    let own = channels_of(place, i);
    var query: array<vec4<f32>, D4>;
    for (var c = 0u; c < D4; c++) { query[c] = q4(own, 4u * c); }
    var sums: array<vec4<f32>, N4>;
    let end = min(keys_of(place), select(params.tokens, i + 1u, params.causal == 1u));
    for (var j = 0u; j < end; j++) {
        let key = channels_of(place, j);
        var score = 0.0;
        for (var c = 0u; c < D4; c++) { score += dot(query[c], k4(key, 4u * c)); }
        let w = coupling(score * params.scale);
        let anchor = (place.head * params.positions + j) * N;
        for (var c = 0u; c < N4; c++) { sums[c] += w * anchor4(anchor, 4u * c); }
    }
    let to = row_of(place, i) * N;
    for (var c = 0u; c < N; c++) { field[to + c] = Elem(sums[c / 4u][c % 4u]); }
}
