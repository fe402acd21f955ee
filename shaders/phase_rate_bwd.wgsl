// theta_bar[b, i] = - m K[b] rate_bar[b, i] (Y_s sin a + Y_c cos a),   a = m theta[b, i] + lag[b]
//
// One invocation per node.

struct Params {
    len: u32,
    nodes: u32,
    m: f32,
    per_node: u32,  // 1: a field per node; 0: one per sample
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> theta: array<f32>;            // [samples, nodes]
@group(0) @binding(2) var<storage, read> field: array<f32>;            // [samples, nodes, 2] or [samples, 1, 2]
@group(0) @binding(3) var<storage, read> strength: array<f32>;         // [samples]
@group(0) @binding(4) var<storage, read> lag: array<f32>;              // [samples]
@group(0) @binding(5) var<storage, read> rate_bar: array<f32>;         // [samples, nodes]
@group(0) @binding(6) var<storage, read_write> theta_bar: array<f32>;  // [samples, nodes]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = linear_index(gid, groups);
    if i >= params.len { return; }
    let sample = i / params.nodes;
    theta_bar[i] = params.m * (strength[sample] * rate_bar[i] * pull(i, sample).w);
}
