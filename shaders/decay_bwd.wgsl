// With A = exp(log_rate), dt = softplus(raw_step), keep = exp(-dt A) and s(r) = 1 / (1 + exp(-r)):
//   log_rate_bar = -keep_bar keep dt A,   raw_step_bar = (step_bar - keep_bar keep A) s(raw_step)
//
// One invocation per channel.

struct Params {
    len: u32,
    has_keep: u32,  // 0: keep_bar is zero and another tensor is bound
    has_step: u32,  // 0: step_bar is zero and another tensor is bound
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> log_rate: array<f32>;            // [len]
@group(0) @binding(2) var<storage, read> raw_step: array<f32>;            // [len]
@group(0) @binding(3) var<storage, read> keep_bar: array<f32>;            // [len]
@group(0) @binding(4) var<storage, read> step_bar: array<f32>;            // [len]
@group(0) @binding(5) var<storage, read_write> log_rate_bar: array<f32>;  // [len]
@group(0) @binding(6) var<storage, read_write> raw_step_bar: array<f32>;  // [len]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = linear_index(gid, groups);
    if i >= params.len { return; }
    let r = raw_step[i];
    let e = exp(-abs(r));
    let dt = max(r, 0.0) + log(1.0 + e);
    let rate = exp(log_rate[i]);
    var k = 0.0;
    if params.has_keep == 1u { k = keep_bar[i] * exp(-(dt * rate)); }
    var g = 0.0;
    if params.has_step == 1u { g = step_bar[i]; }
    log_rate_bar[i] = -(k * (dt * rate));
    raw_step_bar[i] = (g - k * rate) * (select(e, 1.0, r >= 0.0) / (1.0 + e));
}
