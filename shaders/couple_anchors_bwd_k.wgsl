// k_bar_j = 1/sqrt(dim) sum_i z_bar_ij q_i,   z_bar_ij = coupling'(z_ij) <field_bar_i, a_j>,   z_ij = q_i . k_j / sqrt(dim)
// partial[b, h, j] = sum_i coupling(z_ij) field_bar_i
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
    coupling: u32,
    scale: f32,      // 1 / sqrt(dim)
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<Elem>;              // [batch, tokens, heads * dim]
@group(0) @binding(2) var<storage, read> k: array<Elem>;              // [batch, tokens, heads * dim]
@group(0) @binding(3) var<storage, read> anchors: array<Elem>;        // [heads, positions, N]
@group(0) @binding(4) var<storage, read> lengths: array<u32>;         // [batch]
@group(0) @binding(5) var<storage, read> field_bar: array<Elem>;      // [batch, heads, tokens, N]
@group(0) @binding(6) var<storage, read_write> k_bar: array<Elem>;    // [batch, tokens, heads * dim]
@group(0) @binding(7) var<storage, read_write> partial: array<f32>;   // [batch, heads, positions, N]

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
    let place = place_of(linear_group(wid, groups), lane, params.positions);
    let j = place.token;
    if place.batch >= params.batch || j >= params.positions { return; }

    let own = channels_of(place, j);
    let anchor = (place.head * params.positions + j) * N;
    let is_key = j < keys_of(place);
    var key: array<vec4<f32>, D4>;
    var a: array<vec4<f32>, N4>;
    var k_sums: array<vec4<f32>, D4>;
    var a_sums: array<vec4<f32>, N4>;
    if is_key {
        for (var c = 0u; c < D4; c++) { key[c] = k4(own, 4u * c); }
        for (var c = 0u; c < N4; c++) { a[c] = anchor4(anchor, 4u * c); }
    }
    // From the workgroup's first key on, the same query for all invocations; those before a key are left out.
    let end = select(0u, params.tokens, is_key);
    for (var i = select(0u, place.first, params.causal == 1u); i < end; i++) {
        let at = channels_of(place, i);
        let row = row_of(place, i) * N;
        var query: array<vec4<f32>, D4>;
        var g: array<vec4<f32>, N4>;
        var score = 0.0;
        var w_bar = 0.0;
        for (var c = 0u; c < D4; c++) {
            query[c] = q4(at, 4u * c);
            score += dot(query[c], key[c]);
        }
        for (var c = 0u; c < N4; c++) {
            g[c] = bar4(row, 4u * c);
            w_bar += dot(g[c], a[c]);
        }
        let sees = params.causal == 0u || j <= i;
        let w = select(0.0, coupling(score * params.scale), sees);
        let z_bar = select(0.0, w_bar * coupling_slope(score * params.scale), sees);
        for (var c = 0u; c < D4; c++) { k_sums[c] += z_bar * query[c]; }
        for (var c = 0u; c < N4; c++) { a_sums[c] += w * g[c]; }
    }
    if j < params.tokens {
        for (var c = 0u; c < D; c++) {
            if c < params.dim { k_bar[own + c] = Elem(k_sums[c / 4u][c % 4u] * params.scale); }
        }
    }
    let to = ((place.batch * params.heads + place.head) * params.positions + j) * N;
    for (var c = 0u; c < N; c++) { partial[to + c] = a_sums[c / 4u][c % 4u]; }
}
