// rate[b, i] = base[b, i] + strength[b] sum_{t in row i} w[t] sin(theta[b, j_t] + theta[b, k_t] - 2 theta[b, i])
// where triangle t goes from j_t and k_t to i.
//
// One invocation per sample and node, in the order of the row; samples may share the base. The triangles were checked on
// the host.

struct Params {
    len: u32,          // batch * nodes
    nodes: u32,
    base_stride: u32,  // from sample to sample: nodes or 0
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> theta: array<f32>;       // [batch, nodes]
@group(0) @binding(2) var<storage, read> base: array<f32>;        // [nodes] or [batch, nodes]
@group(0) @binding(3) var<storage, read> weights: array<f32>;     // [triangles]
@group(0) @binding(4) var<storage, read> strength: array<f32>;    // [batch]
@group(0) @binding(5) var<storage, read> indptr: array<u32>;      // [nodes + 1]
@group(0) @binding(6) var<storage, read> senders: array<u32>;     // [triangles, 2]
@group(0) @binding(7) var<storage, read_write> rate: array<f32>;  // [batch, nodes]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    if index >= params.len { return; }
    let b = index / params.nodes;
    let i = index % params.nodes;
    let sample = b * params.nodes;
    let own = theta[index];

    var sum = 0.0;
    let last = indptr[i + 1u];
    for (var t = indptr[i]; t < last; t++) {
        let j = theta[sample + senders[2u * t]];
        let k = theta[sample + senders[2u * t + 1u]];
        sum += weights[t] * sin_only((j - own) + (k - own));
    }
    rate[index] = base[b * params.base_stride + i] + strength[b] * sum;
}
