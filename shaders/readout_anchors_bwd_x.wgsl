// x_bar_i = sum_j s_bar_ij a_j,   s_bar_ij = p max(1 + s_ij, 0)^(p-1) [1 + s_ij > 0] (<dst_bar_i, v_j> - delta_i) / Z_i
// stats_i = (1 / Z_i, delta_i),   delta_i = <dst_bar_i, dst_i>,   Z_i = max(sum_j m_ij, 1e-8); where that clamps, delta_i = 0
//
// One invocation per query of a head, which passes over the keys twice: for the statistics and for the sum.

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
@group(0) @binding(1) var<storage, read> x: array<Elem>;            // [batch, heads, tokens, N]
@group(0) @binding(2) var<storage, read> v: array<Elem>;            // [batch, tokens, heads * dim]
@group(0) @binding(3) var<storage, read> anchors: array<Elem>;      // [heads, positions, N]
@group(0) @binding(4) var<storage, read> lengths: array<u32>;       // [batch]
@group(0) @binding(5) var<storage, read> dst_bar: array<Elem>;      // [batch, tokens, heads * dim]
@group(0) @binding(6) var<storage, read_write> x_bar: array<Elem>;  // [batch, heads, tokens, N]
@group(0) @binding(7) var<storage, read_write> stats: array<f32>;   // [batch, heads, tokens, 2]

fn x4(at: u32, c: u32) -> vec4<f32> {
    let i = at + c;
    return select(vec4<f32>(), vec4<f32>(f32(x[i]), f32(x[i + 1u]), f32(x[i + 2u]), f32(x[i + 3u])), component(c));
}

fn v4(at: u32, c: u32) -> vec4<f32> {
    let i = at + c;
    return select(vec4<f32>(), vec4<f32>(f32(v[i]), f32(v[i + 1u]), f32(v[i + 2u]), f32(v[i + 3u])), within(c));
}

fn g4(at: u32, c: u32) -> vec4<f32> {
    let i = at + c;
    let loaded = vec4<f32>(f32(dst_bar[i]), f32(dst_bar[i + 1u]), f32(dst_bar[i + 2u]), f32(dst_bar[i + 3u]));
    return select(vec4<f32>(), loaded, within(c));
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

    let row = row_of(place, i);
    let source = channels_of(place, i);
    var own: array<vec4<f32>, N4>;
    var g: array<vec4<f32>, D4>;
    for (var c = 0u; c < N4; c++) { own[c] = x4(row * N, 4u * c); }
    for (var c = 0u; c < D4; c++) { g[c] = g4(source, 4u * c); }
    let end = min(keys_of(place), select(params.tokens, i + 1u, params.causal == 1u));
    var z = 0.0;
    var mean = 0.0;
    for (var j = 0u; j < end; j++) {
        let anchor = (place.head * params.positions + j) * N;
        let value = channels_of(place, j);
        var s = 0.0;
        var along = 0.0;
        for (var c = 0u; c < N4; c++) { s += dot(own[c], anchor4(anchor, 4u * c)); }
        for (var c = 0u; c < D4; c++) { along += dot(g[c], v4(value, 4u * c)); }
        let m = powers(s).y;
        z += m;
        mean += m * along;
    }
    let inverse = 1.0 / max(z, SUM_CLAMP);
    let delta = select(0.0, mean * inverse, z > SUM_CLAMP);
    stats[2u * row] = inverse;
    stats[2u * row + 1u] = delta;

    var sums: array<vec4<f32>, N4>;
    for (var j = 0u; j < end; j++) {
        let anchor = (place.head * params.positions + j) * N;
        let value = channels_of(place, j);
        var a: array<vec4<f32>, N4>;
        var s = 0.0;
        var along = 0.0;
        for (var c = 0u; c < N4; c++) {
            a[c] = anchor4(anchor, 4u * c);
            s += dot(own[c], a[c]);
        }
        for (var c = 0u; c < D4; c++) { along += dot(g[c], v4(value, 4u * c)); }
        let slope = select(0.0, f32(params.power) * powers(s).x, 1.0 + s > 0.0);
        let s_bar = slope * ((along - delta) * inverse);
        for (var c = 0u; c < N4; c++) { sums[c] += s_bar * a[c]; }
    }
    for (var c = 0u; c < N; c++) { x_bar[row * N + c] = Elem(sums[c / 4u][c % 4u]); }
}
