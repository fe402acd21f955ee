// dt = softplus(raw_step),   keep = exp(-dt exp(log_rate)),   step = dt
// softplus(r) = max(r, 0) + ln(1 + exp(-|r|)): no exponential of a positive number.
//
// One invocation per channel.

struct Params {
    len: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> log_rate: array<f32>;    // [len]
@group(0) @binding(2) var<storage, read> raw_step: array<f32>;    // [len]
@group(0) @binding(3) var<storage, read_write> keep: array<f32>;  // [len]
@group(0) @binding(4) var<storage, read_write> step: array<f32>;  // [len]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = linear_index(gid, groups);
    if i >= params.len { return; }
    let r = raw_step[i];
    let dt = max(r, 0.0) + log(1.0 + exp(-abs(r)));
    keep[i] = exp(-(dt * exp(log_rate[i])));
    step[i] = dt;
}
