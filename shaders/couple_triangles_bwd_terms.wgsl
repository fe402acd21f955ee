// terms[b, t] = rate_bar[b, i] (cos D, sin D),  D = theta[b, j] + theta[b, k] - 2 theta[b, i] of the triangle t
// from j and k to i
//
// What the gradients of all operands are sums of. One invocation per sample and triangle.

struct Params {
    len: u32,  // batch * triangles
    nodes: u32,
    triangles: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> theta: array<f32>;        // [batch, nodes]
@group(0) @binding(2) var<storage, read> rate_bar: array<f32>;     // [batch, nodes]
@group(0) @binding(3) var<storage, read> receivers: array<u32>;    // [triangles]
@group(0) @binding(4) var<storage, read> senders: array<u32>;      // [triangles, 2]
@group(0) @binding(5) var<storage, read_write> terms: array<f32>;  // [batch, triangles, 2]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    if index >= params.len { return; }
    let sample = index / params.triangles * params.nodes;
    let t = index % params.triangles;
    let i = sample + receivers[t];
    let j = theta[sample + senders[2u * t]];
    let k = theta[sample + senders[2u * t + 1u]];
    let direction = sin_cos((j - theta[i]) + (k - theta[i]));
    terms[2u * index] = rate_bar[i] * direction.y;
    terms[2u * index + 1u] = rate_bar[i] * direction.x;
}
