// dst[b, e] = w[b, e] + h[b] rate (sin(theta[b, j] - theta[b, i] + lag) - decay w[b, e])   of the edge e from j to i
//
// One step of Euler's scheme for the weights. One invocation per sample and edge.

struct Params {
    len: u32,    // batch * nnz
    nodes: u32,
    edges: u32,
    rate: f32,
    decay: f32,
    lag: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weights: array<f32>;    // [batch, nnz]
@group(0) @binding(2) var<storage, read> theta: array<f32>;      // [batch, nodes]
@group(0) @binding(3) var<storage, read> h: array<f32>;          // [batch]
@group(0) @binding(4) var<storage, read> receivers: array<u32>;  // [nnz]
@group(0) @binding(5) var<storage, read> indices: array<u32>;    // [nnz], senders
@group(0) @binding(6) var<storage, read_write> dst: array<f32>;  // [batch, nnz]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    if index >= params.len { return; }
    let b = index / params.edges;
    let e = index % params.edges;
    let apart = theta[b * params.nodes + indices[e]] - theta[b * params.nodes + receivers[e]];
    let weight = weights[index];
    dst[index] = weight + h[b] * (params.rate * (sin_only(apart + params.lag) - params.decay * weight));
}
