// readout_anchors for p = 1 where no 1 + x_i . a_j is negative:
//   dst_i = (sum_j v_j + (sum_j v_j a_jᵀ) x_i) / max(n_i + x_i . sum_j a_j, 1e-8)
//
// The sums do not depend on the query but for how many keys they hold, so each key is added once. One invocation per
// channel of a head, which keeps its row of sum_j v_j a_jᵀ. Costs tokens, not tokens squared.

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

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    // The tokens that are shared out here are channels.
    let place = place_of(linear_group(wid, groups), lane, params.dim);
    let channel = place.token;
    if place.batch >= params.batch || channel >= params.dim { return; }

    var outer: array<vec4<f32>, N4>;
    var directions: array<vec4<f32>, N4>;
    var values = 0.0;
    var j = 0u;
    let keys = keys_of(place);
    for (var i = 0u; i < params.tokens; i++) {
        let end = min(keys, select(params.tokens, i + 1u, params.causal == 1u));
        for (; j < end; j++) {
            let value = f32(v[channels_of(place, j) + channel]);
            let anchor = (place.head * params.positions + j) * N;
            values += value;
            for (var c = 0u; c < N4; c++) {
                let a = anchor4(anchor, 4u * c);
                directions[c] += a;
                outer[c] += value * a;
            }
        }
        let row = row_of(place, i) * N;
        var above = values;
        var below = f32(j);
        for (var c = 0u; c < N4; c++) {
            let own = x4(row, 4u * c);
            above += dot(own, outer[c]);
            below += dot(own, directions[c]);
        }
        dst[channels_of(place, i) + channel] = Elem(above / max(below, SUM_CLAMP));
    }
}
