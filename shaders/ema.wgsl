// average = decay average + (1 - decay) x, in place. One invocation per element.

struct Params {
    len: u32,
    decay: f32,
    rest: f32,  // 1 - decay
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;              // [len]
@group(0) @binding(2) var<storage, read_write> average: array<f32>;  // [len]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = linear_index(gid, groups);
    if i >= params.len { return; }
    average[i] = params.decay * average[i] + params.rest * x[i];
}
