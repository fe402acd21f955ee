// theta_bar[b, i] = q strength[b] (sum_{e out of i} w[b, e] c[b, e] - sum_{e in row i} w[b, e] c[b, e])
// where c = terms[.., 0], of couple_phases_bwd_edges, or what has its form.
//
// One invocation per sample and node, a gather over both structures: no two invocations write one element.

struct Params {
    len: u32,             // batch * nodes
    nodes: u32,
    edges: u32,
    weights_stride: u32,  // from sample to sample: nnz or 0
    harmonic: f32,        // q, an integer
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weights: array<f32>;          // [1, nnz] or [batch, nnz]
@group(0) @binding(2) var<storage, read> strength: array<f32>;         // [batch]
@group(0) @binding(3) var<storage, read> terms: array<f32>;            // [batch, nnz, 2]
@group(0) @binding(4) var<storage, read> indptr: array<u32>;           // [nodes + 1]
@group(0) @binding(5) var<storage, read> indptr_t: array<u32>;         // [nodes + 1]
@group(0) @binding(6) var<storage, read> edges_t: array<u32>;          // [nnz], numbers of the edges, sender by sender
@group(0) @binding(7) var<storage, read_write> theta_bar: array<f32>;  // [batch, nodes]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    if index >= params.len { return; }
    let b = index / params.nodes;
    let i = index % params.nodes;
    let sample = b * params.edges;
    let first_weight = b * params.weights_stride;

    var sum = 0.0;
    for (var k = indptr_t[i]; k < indptr_t[i + 1u]; k++) {
        let e = edges_t[k];
        sum += weights[first_weight + e] * terms[2u * (sample + e)];
    }
    for (var e = indptr[i]; e < indptr[i + 1u]; e++) {
        sum -= weights[first_weight + e] * terms[2u * (sample + e)];
    }
    theta_bar[index] = params.harmonic * strength[b] * sum;
}
