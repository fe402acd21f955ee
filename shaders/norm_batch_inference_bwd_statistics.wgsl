// mean_bar[c] = - weight[c] r sum dst_bar,   variance_bar[c] = - 1/2 weight[c] r^2 sum dst_bar h
// with r = 1 / sqrt(variance[c] + eps), h = (x - mean[c]) r; channel_sums has the sums.
//
// One invocation per channel.

struct Params {
    channels: u32,
    has_weight: u32,  // 0: weight is not read
    eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> sums: array<f32>;                // [2, channels]: of dst_bar, of dst_bar h
@group(0) @binding(2) var<storage, read> variance: array<f32>;            // [channels]
@group(0) @binding(3) var<storage, read> weight: array<Elem>;             // [channels]
@group(0) @binding(4) var<storage, read_write> mean_bar: array<f32>;      // [channels]
@group(0) @binding(5) var<storage, read_write> variance_bar: array<f32>;  // [channels]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let c = linear_index(gid, groups);
    if c >= params.channels { return; }
    let r = inverseSqrt(variance[c] + params.eps);
    var sum = sums[c];
    var along = sums[params.channels + c];
    if params.has_weight == 1u {
        sum = sum * f32(weight[c]);
        along = along * f32(weight[c]);
    }
    mean_bar[c] = -(sum * r);
    variance_bar[c] = -0.5 * (along * (r * r));
}
