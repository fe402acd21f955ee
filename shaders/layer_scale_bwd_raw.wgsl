// raw_bar[c] = limit s(raw[c]) s(-raw[c]) sums[c],   sums[c] = sum dst_bar y over everything but the channel
//
// One invocation per channel.

struct Params {
    channels: u32,
    limit: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> raw: array<Elem>;           // [channels]
@group(0) @binding(2) var<storage, read> sums: array<f32>;           // [channels]
@group(0) @binding(3) var<storage, read_write> raw_bar: array<f32>;  // [channels]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let c = linear_index(gid, groups);
    if c >= params.channels { return; }
    let s = logistic(f32(raw[c]));
    raw_bar[c] = params.limit * s.x * s.y * sums[c];
}
