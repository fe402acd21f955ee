// q_bar_i = 1/sqrt(dim) sum_j z_bar_ij k_j,   z_bar_ij = coupling'(z_ij) <field_bar_i, a_j>,   z_ij = q_i . k_j / sqrt(dim)
//
// One invocation per query of a head.

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
@group(0) @binding(5) var<storage, read> field_bar: array<Elem>;    // [batch, heads, tokens, N]
@group(0) @binding(6) var<storage, read_write> q_bar: array<Elem>;  // [batch, tokens, heads * dim]

fn q4(at: u32, c: u32) -> vec4<f32> {
    let i = at + c;
    return select(vec4<f32>(), vec4<f32>(f32(q[i]), f32(q[i + 1u]), f32(q[i + 2u]), f32(q[i + 3u])), within(c));
}

fn k4(at: u32, c: u32) -> vec4<f32> {
    let i = at + c;
    return select(vec4<f32>(), vec4<f32>(f32(k[i]), f32(k[i + 1u]), f32(k[i + 2u]), f32(k[i + 3u])), within(c));
}

fn bar4(at: u32, c: u32) -> vec4<f32> {
    let i = at + c;
    let loaded =
        vec4<f32>(f32(field_bar[i]), f32(field_bar[i + 1u]), f32(field_bar[i + 2u]), f32(field_bar[i + 3u]));
    return select(vec4<f32>(), loaded, component(c));
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
    let row = row_of(place, i) * N;
    var query: array<vec4<f32>, D4>;
    var g: array<vec4<f32>, N4>;
    var sums: array<vec4<f32>, D4>;
    for (var c = 0u; c < D4; c++) { query[c] = q4(own, 4u * c); }
    for (var c = 0u; c < N4; c++) { g[c] = bar4(row, 4u * c); }
    let end = min(keys_of(place), select(params.tokens, i + 1u, params.causal == 1u));
    for (var j = 0u; j < end; j++) {
        let at = channels_of(place, j);
        let anchor = (place.head * params.positions + j) * N;
        var key: array<vec4<f32>, D4>;
        var score = 0.0;
        for (var c = 0u; c < D4; c++) {
            key[c] = k4(at, 4u * c);
            score += dot(query[c], key[c]);
        }
        var w_bar = 0.0;
        for (var c = 0u; c < N4; c++) { w_bar += dot(g[c], anchor4(anchor, 4u * c)); }
        let z_bar = w_bar * coupling_slope(score * params.scale);
        for (var c = 0u; c < D4; c++) { sums[c] += z_bar * key[c]; }
    }
    for (var c = 0u; c < D; c++) {
        if c < params.dim { q_bar[own + c] = Elem(sums[c / 4u][c % 4u] * params.scale); }
    }
}
