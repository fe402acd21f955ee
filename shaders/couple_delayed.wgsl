// dst[b, i] = base[b, i] + K_b sum_{e in row i} w_e sin(q (theta_j(t - tau_e) - theta_i(t)) - lag)
//
// The past is a ring of states one step apart; a delay d = tau / h of fractional steps lies between two of them, and the
// phase there is read along the shorter arc. State 0 steps ago is theta itself, k >= 1 steps ago is slot
// (newest + 1 - k) mod slots.
//
// One invocation per node of a sample.

struct Params {
    len: u32,          // batch * nodes
    nodes: u32,
    base_len: u32,     // elements of base: nodes, or batch * nodes
    slots: u32,
    stride: u32,       // elements from one slot to the next
    newest: u32,       // the slot of the state one step ago
    per_step: f32,     // 1 / h
    lag: f32,
    harmonic: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> theta: array<f32>;     // [batch, nodes]
@group(0) @binding(2) var<storage, read> base: array<f32>;      // [nodes] or [batch, nodes]
@group(0) @binding(3) var<storage, read> links: array<f32>;     // [nnz, 2]: weight, delay
@group(0) @binding(4) var<storage, read> strength: array<f32>;  // [batch]
@group(0) @binding(5) var<storage, read> history: array<f32>;   // [slots, stride]
@group(0) @binding(6) var<storage, read> indptr: array<u32>;    // [nodes + 1]
@group(0) @binding(7) var<storage, read> indices: array<u32>;   // [nnz]
@group(0) @binding(8) var<storage, read_write> dst: array<f32>;

// Phase `at`, k steps ago.
fn past(at: u32, k: u32) -> f32 {
    if k == 0u { return theta[at]; }
    return history[(params.newest + params.slots + 1u - k) % params.slots * params.stride + at];
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    if index >= params.len { return; }
    let i = index % params.nodes;
    let b = index / params.nodes;
    var sum = 0.0;
    for (var e = indptr[i]; e < indptr[i + 1u]; e++) {
        let at = b * params.nodes + indices[e];
        let d = clamp(links[2u * e + 1u] * params.per_step, 0.0, f32(params.slots));
        let k = min(u32(d), params.slots - 1u);
        let later = past(at, k);
        let phase = later + (d - f32(k)) * wrap(past(at, k + 1u) - later);
        sum += links[2u * e] * sin_cos(params.harmonic * (phase - theta[index]) - params.lag).x;
    }
    dst[index] = base[index % params.base_len] + strength[b] * sum;
}
