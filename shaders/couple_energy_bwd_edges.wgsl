// terms[b, e] = energy_bar[b] / (2 q) (sin D, -cos D),  D = q (theta[b, j] - theta[b, i]) - lag[b, e] of the edge e from
// j to i
//
// What the gradients of all operands are sums of, in the form that the sums of couple_phases take: there they are
// rate_bar (cos D, sin D). One invocation per sample and edge.

struct Params {
    len: u32,         // batch * nnz
    nodes: u32,
    edges: u32,
    lag_sample: u32,  // from sample to sample: 1 or 0
    lag_edge: u32,    // from edge to edge: 0 or 1
    harmonic: f32,    // q, an integer
    share: f32,       // 1 / (2 q)
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> theta: array<f32>;        // [batch, nodes]
@group(0) @binding(2) var<storage, read> lag: array<f32>;          // [batch, 1] or [1, nnz]
@group(0) @binding(3) var<storage, read> energy_bar: array<f32>;   // [batch]
@group(0) @binding(4) var<storage, read> receivers: array<u32>;    // [nnz]
@group(0) @binding(5) var<storage, read> indices: array<u32>;      // [nnz], senders
@group(0) @binding(6) var<storage, read_write> terms: array<f32>;  // [batch, nnz, 2]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    if index >= params.len { return; }
    let b = index / params.edges;
    let e = index % params.edges;
    let apart = theta[b * params.nodes + indices[e]] - theta[b * params.nodes + receivers[e]];
    let direction = sin_cos(params.harmonic * apart - lag[b * params.lag_sample + e * params.lag_edge]);
    let scale = params.share * energy_bar[b];
    terms[2u * index] = scale * direction.x;
    terms[2u * index + 1u] = -scale * direction.y;
}
