// field_bar[b, i] = K[b] rate_bar[b, i] (- sin a, cos a),   a = m theta[b, i] + lag[b], for a field per node
//
// One invocation per node.

struct Params {
    len: u32,
    nodes: u32,
    m: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> theta: array<f32>;            // [samples, nodes]
@group(0) @binding(2) var<storage, read> strength: array<f32>;         // [samples]
@group(0) @binding(3) var<storage, read> lag: array<f32>;              // [samples]
@group(0) @binding(4) var<storage, read> rate_bar: array<f32>;         // [samples, nodes]
@group(0) @binding(5) var<storage, read_write> field_bar: array<f32>;  // [samples, nodes, 2]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = linear_index(gid, groups);
    if i >= params.len { return; }
    let sample = i / params.nodes;
    let direction = sin_cos(params.m * theta[i] + lag[sample]);
    let g = strength[sample] * rate_bar[i];
    field_bar[2u * i] = -(g * direction.x);
    field_bar[2u * i + 1u] = g * direction.y;
}
