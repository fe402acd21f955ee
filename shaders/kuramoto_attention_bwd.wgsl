// theta_bar = G - eta G (S sin theta + C cos theta) + v_bar . J(v) + q_bar . J(q) + k_bar . J(k),
// G = dst_bar,   J(x) = (-x_s, x_c) for the cosine x_c and the sine x_s of one angle
//
// One invocation per row and angle.

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
@group(0) @binding(1) var<storage, read> eta: array<f32>;               // [heads]
@group(0) @binding(2) var<storage, read> features: array<f32>;          // [3, rows, 2 half]: q, k, v
@group(0) @binding(3) var<storage, read> mixed: array<f32>;             // [rows, 2 half]: C, S
@group(0) @binding(4) var<storage, read> dst_bar: array<Elem>;          // [batch, tokens, heads, dim]
@group(0) @binding(5) var<storage, read> q_bar: array<f32>;             // [rows, 2 half]
@group(0) @binding(6) var<storage, read> k_bar: array<f32>;             // [rows, 2 half]
@group(0) @binding(7) var<storage, read> v_bar: array<f32>;             // [rows, 2 half]
@group(0) @binding(8) var<storage, read_write> theta_bar: array<Elem>;  // [batch, tokens, heads, dim]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    if index >= row_count() * params.dim { return; }
    let row = index / params.dim;
    let d = index % params.dim;
    let c = row * 2u * params.half + d;
    let s = c + params.half;
    let k = 2u * row_count() * params.half;
    let v = 2u * k;
    let at = angle_of(row) + d;
    let g = f32(dst_bar[at]);
    let inward = mixed[s] * features[v + s] + mixed[c] * features[v + c];
    var sum = g - eta[head_of(row)] * g * inward;
    sum += features[v + c] * v_bar[s] - features[v + s] * v_bar[c];
    sum += features[c] * q_bar[s] - features[s] * q_bar[c];
    sum += features[k + c] * k_bar[s] - features[k + s] * k_bar[c];
    theta_bar[at] = Elem(sum);
}
