// dst = x + limit s(raw[c]) y,   s(r) = 1 / (1 + exp(-r))
//
// One invocation per element.

struct Params {
    len: u32,
    channels: u32,
    inner: u32,
    limit: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;          // [outer, channels, inner]
@group(0) @binding(2) var<storage, read> y: array<Elem>;          // [outer, channels, inner]
@group(0) @binding(3) var<storage, read> raw: array<Elem>;        // [channels]
@group(0) @binding(4) var<storage, read_write> dst: array<Elem>;  // [outer, channels, inner]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = linear_index(gid, groups);
    if i >= params.len { return; }
    let gate = params.limit * logistic(f32(raw[i / params.inner % params.channels])).x;
    dst[i] = Elem(f32(x[i]) + gate * f32(y[i]));
}
