// What the cotangents of a channel's n elements have in common:
//   a = sum dst_bar / n,   b = sum dst_bar h / n,   p = mean_bar / n,   q = 2 variance_bar / n
//
// One invocation per channel.

struct Params {
    channels: u32,
    has_dst: u32,       // 0: sums is not read
    has_mean: u32,      // 0: mean_bar is not read
    has_variance: u32,  // 0: variance_bar is not read
    share: f32,         // 1 / n
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> sums: array<f32>;          // [2, channels]: of dst_bar, of dst_bar h
@group(0) @binding(2) var<storage, read> mean_bar: array<f32>;      // [channels]
@group(0) @binding(3) var<storage, read> variance_bar: array<f32>;  // [channels]
@group(0) @binding(4) var<storage, read_write> pulls: array<f32>;   // [4, channels]: a, b, p, q

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let c = linear_index(gid, groups);
    if c >= params.channels { return; }
    var found = vec4<f32>(0.0);
    if params.has_dst == 1u {
        found.x = sums[c] * params.share;
        found.y = sums[params.channels + c] * params.share;
    }
    if params.has_mean == 1u { found.z = mean_bar[c] * params.share; }
    if params.has_variance == 1u { found.w = variance_bar[c] * (2.0 * params.share); }
    pulls[c] = found.x;
    pulls[params.channels + c] = found.y;
    pulls[2u * params.channels + c] = found.z;
    pulls[3u * params.channels + c] = found.w;
}
