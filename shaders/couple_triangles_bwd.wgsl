// theta_bar[b, i] = strength[b] (sum_{t out of i} w[t] c[b, t] - 2 sum_{t in row i} w[t] c[b, t])
// where c = terms[.., 0], of couple_triangles_bwd_terms; a triangle goes out of both its senders.
//
// One invocation per sample and node, a gather over both structures: no two invocations write one element.

struct Params {
    len: u32,  // batch * nodes
    nodes: u32,
    triangles: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weights: array<f32>;          // [triangles]
@group(0) @binding(2) var<storage, read> strength: array<f32>;         // [batch]
@group(0) @binding(3) var<storage, read> terms: array<f32>;            // [batch, triangles, 2]
@group(0) @binding(4) var<storage, read> indptr: array<u32>;           // [nodes + 1]
@group(0) @binding(5) var<storage, read> indptr_t: array<u32>;         // [nodes + 1]
@group(0) @binding(6) var<storage, read> triangles_t: array<u32>;      // [2 * triangles], their numbers, sender by sender
@group(0) @binding(7) var<storage, read_write> theta_bar: array<f32>;  // [batch, nodes]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    if index >= params.len { return; }
    let b = index / params.nodes;
    let i = index % params.nodes;
    let sample = b * params.triangles;

    var out = 0.0;
    for (var k = indptr_t[i]; k < indptr_t[i + 1u]; k++) {
        let t = triangles_t[k];
        out += weights[t] * terms[2u * (sample + t)];
    }
    var into = 0.0;
    for (var t = indptr[i]; t < indptr[i + 1u]; t++) {
        into += weights[t] * terms[2u * (sample + t)];
    }
    theta_bar[index] = strength[b] * (out - 2.0 * into);
}
