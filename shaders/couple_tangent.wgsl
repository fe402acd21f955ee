// dst[b, i] = q strength[b] sum_{e in row i} w[b, e] cos(D) (tangent[b, j] - tangent[b, i])
//     D = q (theta[b, j] - theta[b, i]) - lag[b, e],  j = indices[e]
//
// The derivative of couple_phases along tangent. One invocation per sample and node, in the order of the row. What samples
// share has stride 0. The graph was checked on the host.

struct Params {
    len: u32,             // batch * nodes
    nodes: u32,
    weights_stride: u32,  // from sample to sample: nnz or 0
    lag_sample: u32,      // from sample to sample: 1 or 0
    lag_edge: u32,        // from edge to edge: 0 or 1
    harmonic: f32,        // q, an integer
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> theta: array<f32>;       // [batch, nodes]
@group(0) @binding(2) var<storage, read> tangent: array<f32>;     // [batch, nodes]
@group(0) @binding(3) var<storage, read> weights: array<f32>;     // [1, nnz] or [batch, nnz]
@group(0) @binding(4) var<storage, read> strength: array<f32>;    // [batch]
@group(0) @binding(5) var<storage, read> lag: array<f32>;         // [batch, 1] or [1, nnz]
@group(0) @binding(6) var<storage, read> indptr: array<u32>;      // [nodes + 1]
@group(0) @binding(7) var<storage, read> indices: array<u32>;     // [nnz], senders
@group(0) @binding(8) var<storage, read_write> dst: array<f32>;   // [batch, nodes]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    if index >= params.len { return; }
    let b = index / params.nodes;
    let i = index % params.nodes;
    let sample = b * params.nodes;
    let own = theta[index];
    let own_tangent = tangent[index];
    let first_weight = b * params.weights_stride;
    let first_lag = b * params.lag_sample;

    var sum = 0.0;
    let last = indptr[i + 1u];
    for (var e = indptr[i]; e < last; e++) {
        let j = sample + indices[e];
        let difference = params.harmonic * (theta[j] - own) - lag[first_lag + e * params.lag_edge];
        sum += weights[first_weight + e] * sin_cos(difference).y * (tangent[j] - own_tangent);
    }
    dst[index] = params.harmonic * strength[b] * sum;
}
