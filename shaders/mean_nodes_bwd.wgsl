// x_bar[b, i, c] = mean_bar[b, c] / nodes
//
// One invocation per element.

struct Params {
    len: u32,    // samples * nodes * n
    nodes: u32,
    n: u32,      // components of a node
    share: f32,  // 1 / nodes
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> mean_bar: array<f32>;     // [samples, 1, n]
@group(0) @binding(2) var<storage, read_write> x_bar: array<f32>;  // [samples, nodes, n]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = linear_index(gid, groups);
    if index >= params.len { return; }
    let sample = index / (params.nodes * params.n);
    x_bar[index] = params.share * mean_bar[sample * params.n + index % params.n];
}
