// query_gate_bar = gate/tau q_bar . e,   key_gate_bar = k_bar . e
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
@group(0) @binding(1) var<storage, read> gate: array<f32>;                   // [heads, dim]
@group(0) @binding(2) var<storage, read> tau: array<f32>;                    // [heads]
@group(0) @binding(3) var<storage, read> features: array<f32>;               // [4, rows, 2 half]: q, k, v, e
@group(0) @binding(4) var<storage, read> q_bar: array<f32>;                  // [rows, 2 half]
@group(0) @binding(5) var<storage, read> k_bar: array<f32>;                  // [rows, 2 half]
@group(0) @binding(6) var<storage, read_write> query_gate_bar: array<Elem>;  // [batch, tokens, heads, dim]
@group(0) @binding(7) var<storage, read_write> key_gate_bar: array<Elem>;    // [batch, tokens, heads, dim]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    if index >= row_count() * params.dim { return; }
    let row = index / params.dim;
    let d = index % params.dim;
    let c = row * 2u * params.half + d;
    let s = c + params.half;
    let e = 6u * row_count() * params.half;
    let h = head_of(row);
    let at = angle_of(row) + d;
    let of_query = q_bar[c] * features[e + c] + q_bar[s] * features[e + s];
    query_gate_bar[at] = Elem(gate[h * params.dim + d] / tau[h] * of_query);
    key_gate_bar[at] = Elem(k_bar[c] * features[e + c] + k_bar[s] * features[e + s]);
}
