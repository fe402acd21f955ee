// e_t = (cos phi_t, sin phi_t),   phi_t = theta_t + drift t,
// q_t = gate/tau query_gate_t e_t,   k_t = key_gate_t e_t,   v_t = (cos theta_t, sin theta_t)
//
// Without gates of tokens these are 1, and e is k.
//
// The features between which couple_attention's kernels attend. One invocation per row and angle, or place of an angle
// among the padding.
//
// A drift is multiplied in two parts, of 12 bits each: up to token 4096 both products are exact, and whole turns are taken
// off before anything is rounded. So a phase is as accurate late as it is early.

struct Params {
    batch: u32,
    tokens: u32,
    heads: u32,
    dim: u32,     // angles of a head
    half: u32,    // of the features, dim of which count and the rest are zero
    causal: u32,  // 1: keys past the query are left out
    content: u32, // 1: tokens have gates, and features a fourth part, phases without any
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> theta: array<Elem>;          // [batch, tokens, heads, dim]
@group(0) @binding(2) var<storage, read> gate: array<f32>;            // [heads, dim]
@group(0) @binding(3) var<storage, read> tau: array<f32>;             // [heads]
@group(0) @binding(4) var<storage, read> drift: array<f32>;           // [heads, dim]
@group(0) @binding(5) var<storage, read> query_gate: array<Elem>;     // [batch, tokens, heads, dim]
@group(0) @binding(6) var<storage, read> key_gate: array<Elem>;       // [batch, tokens, heads, dim]
@group(0) @binding(7) var<storage, read_write> features: array<f32>;  // [3, rows, 2 half]: q, k, v; or [4, ...]: and e

// w t less whole turns.
fn drifted(w: f32, t: f32) -> f32 {
    let high = bitcast<f32>(bitcast<u32>(w) & 0xFFFFF000u);
    return wrap(high * t) + (w - high) * t;
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    if index >= row_count() * params.half { return; }
    let row = index / params.half;
    let d = index % params.half;
    let to = row * 2u * params.half + d;
    let part = row_count() * 2u * params.half;
    var metric = 0.0;
    var open = 1.0;
    var moved = vec2<f32>();
    var own = vec2<f32>();
    if d < params.dim {
        let h = head_of(row);
        let at = angle_of(row) + d;
        let angle = f32(theta[at]);
        metric = gate[h * params.dim + d] / tau[h];
        if params.content == 1u {
            metric = metric * f32(query_gate[at]);
            open = f32(key_gate[at]);
        }
        own = sin_cos(angle);
        moved = sin_cos(angle + drifted(drift[h * params.dim + d], f32(row % params.tokens)));
    }
    features[to] = metric * moved.y;
    features[to + params.half] = metric * moved.x;
    features[to + part] = open * moved.y;
    features[to + part + params.half] = open * moved.x;
    features[to + 2u * part] = own.y;
    features[to + 2u * part + params.half] = own.x;
    if params.content == 1u {
        features[to + 3u * part] = moved.y;
        features[to + 3u * part + params.half] = moved.x;
    }
}
