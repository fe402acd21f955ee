// dst_i = sum_j m_ij v_j / max(Z_i, 1e-8),   m_ij = max(1 + x_i . a_j, 0)^p,   Z_i = sum_j m_ij,   j over the keys that i sees
//
// One invocation per query of a head; weights are not stored.

struct Params {
    batch: u32,
    tokens: u32,
    heads: u32,
    dim: u32,
    positions: u32,  // of the anchors, at least tokens
    causal: u32,     // 1: keys past the query are left out
    padded: u32,     // 1: keys from lengths on are left out; else lengths are not read
    power: u32,      // p, at least 1
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;          // [batch, heads, tokens, N]
@group(0) @binding(2) var<storage, read> v: array<Elem>;          // [batch, tokens, heads * dim]
@group(0) @binding(3) var<storage, read> anchors: array<Elem>;    // [heads, positions, N]
@group(0) @binding(4) var<storage, read> lengths: array<u32>;     // [batch]
@group(0) @binding(5) var<storage, read_write> dst: array<Elem>;  // [batch, tokens, heads * dim]

fn x4(at: u32, c: u32) -> vec4<f32> {
    let i = at + c;
    return select(vec4<f32>(), vec4<f32>(f32(x[i]), f32(x[i + 1u]), f32(x[i + 2u]), f32(x[i + 3u])), component(c));
}

fn v4(at: u32, c: u32) -> vec4<f32> {
    let i = at + c;
    return select(vec4<f32>(), vec4<f32>(f32(v[i]), f32(v[i + 1u]), f32(v[i + 2u]), f32(v[i + 3u])), within(c));
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

    let row = row_of(place, i) * N;
    var own: array<vec4<f32>, N4>;
    for (var c = 0u; c < N4; c++) { own[c] = x4(row, 4u * c); }
    var sums: array<vec4<f32>, D4>;
    var z = 0.0;
    let end = min(keys_of(place), select(params.tokens, i + 1u, params.causal == 1u));
    for (var j = 0u; j < end; j++) {
        let anchor = (place.head * params.positions + j) * N;
        var s = 0.0;
        for (var c = 0u; c < N4; c++) { s += dot(own[c], anchor4(anchor, 4u * c)); }
        let m = powers(s).y;
        z += m;
        let value = channels_of(place, j);
        for (var c = 0u; c < D4; c++) { sums[c] += m * v4(value, 4u * c); }
    }
    let inverse = 1.0 / max(z, SUM_CLAMP);
    let to = channels_of(place, i);
    for (var c = 0u; c < D; c++) {
        if c < params.dim { dst[to + c] = Elem(sums[c / 4u][c % 4u] * inverse); }
    }
}
