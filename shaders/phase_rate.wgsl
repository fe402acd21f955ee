// rate[b, i] = base[(b,) i] + K[b] (Y_s cos(m theta[b, i] + lag[b]) - Y_c sin(m theta[b, i] + lag[b])),
// where (Y_c, Y_s) = field[b, i] or field[b]
//
// One invocation per node.

struct Params {
    len: u32,
    nodes: u32,
    m: f32,
    per_node: u32,    // 1: a field per node; 0: one per sample
    per_sample: u32,  // 1: a base per sample; 0: samples share one
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> theta: array<f32>;       // [samples, nodes]
@group(0) @binding(2) var<storage, read> base: array<f32>;        // [nodes] or [samples, nodes]
@group(0) @binding(3) var<storage, read> field: array<f32>;       // [samples, nodes, 2] or [samples, 1, 2]
@group(0) @binding(4) var<storage, read> strength: array<f32>;    // [samples]
@group(0) @binding(5) var<storage, read> lag: array<f32>;         // [samples]
@group(0) @binding(6) var<storage, read_write> rate: array<f32>;  // [samples, nodes]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = linear_index(gid, groups);
    if i >= params.len { return; }
    let sample = i / params.nodes;
    let own = select(i % params.nodes, i, params.per_sample == 1u);
    rate[i] = base[own] + strength[sample] * pull(i, sample).z;
}
