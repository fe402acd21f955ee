// v_bar_j = sum_i m_ij / Z_i dst_bar_i,   partial[b, h, j] = sum_i s_bar_ij x_i, with m, s_bar, Z as in readout_anchors_bwd_x
//
// The partial sums over the batch are the anchors' cotangents. One invocation per position of a head: those without a key
// write zeros.

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
@group(0) @binding(1) var<storage, read> x: array<Elem>;             // [batch, heads, tokens, N]
@group(0) @binding(2) var<storage, read> v: array<Elem>;             // [batch, tokens, heads * dim]
@group(0) @binding(3) var<storage, read> anchors: array<Elem>;       // [heads, positions, N]
@group(0) @binding(4) var<storage, read> lengths: array<u32>;        // [batch]
@group(0) @binding(5) var<storage, read> dst_bar: array<Elem>;       // [batch, tokens, heads * dim]
@group(0) @binding(6) var<storage, read> stats: array<f32>;          // [batch, heads, tokens, 2]: 1 / Z, delta
@group(0) @binding(7) var<storage, read_write> v_bar: array<Elem>;   // [batch, tokens, heads * dim]
@group(0) @binding(8) var<storage, read_write> partial: array<f32>;  // [batch, heads, positions, N]

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
    let place = place_of(linear_group(wid, groups), lane, params.positions);
    let j = place.token;
    if place.batch >= params.batch || j >= params.positions { return; }

    let own = channels_of(place, j);
    let anchor = (place.head * params.positions + j) * N;
    let is_key = j < keys_of(place);
    var value: array<vec4<f32>, D4>;
    var a: array<vec4<f32>, N4>;
    var v_sums: array<vec4<f32>, D4>;
    var a_sums: array<vec4<f32>, N4>;
    if is_key {
        for (var c = 0u; c < D4; c++) { value[c] = v4(own, 4u * c); }
        for (var c = 0u; c < N4; c++) { a[c] = anchor4(anchor, 4u * c); }
    }
    // From the workgroup's first key on, the same query for all invocations; those before a key are left out.
    let end = select(0u, params.tokens, is_key);
    for (var i = select(0u, place.first, params.causal == 1u); i < end; i++) {
        let row = row_of(place, i);
        let source = channels_of(place, i);
        var query: array<vec4<f32>, N4>;
        var g: array<vec4<f32>, D4>;
        var s = 0.0;
        var along = 0.0;
        for (var c = 0u; c < N4; c++) {
            query[c] = x4(row * N, 4u * c);
            s += dot(query[c], a[c]);
        }
        for (var c = 0u; c < D4; c++) {
            g[c] = g4(source, 4u * c);
            along += dot(g[c], value[c]);
        }
        let inverse = stats[2u * row];
        let delta = stats[2u * row + 1u];
        let power = powers(s);
        let sees = params.causal == 0u || j <= i;
        let weight = select(0.0, power.y * inverse, sees);
        let slope = select(0.0, f32(params.power) * power.x, sees && 1.0 + s > 0.0);
        let s_bar = slope * ((along - delta) * inverse);
        for (var c = 0u; c < D4; c++) { v_sums[c] += weight * g[c]; }
        for (var c = 0u; c < N4; c++) { a_sums[c] += s_bar * query[c]; }
    }
    if j < params.tokens {
        for (var c = 0u; c < D; c++) {
            if c < params.dim { v_bar[own + c] = Elem(v_sums[c / 4u][c % 4u]); }
        }
    }
    let to = ((place.batch * params.heads + place.head) * params.positions + j) * N;
    for (var c = 0u; c < N; c++) { partial[to + c] = a_sums[c / 4u][c % 4u]; }
}
