// w_bar[i] = angle sum_b (g_2p dst_2p+1 - g_2p+1 dst_2p),   g the cotangent of dst
//
// dst is computed again. One invocation per frequency.

struct Params {
    pairs: u32,
    batch: u32,
    angle: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;            // [batch, nodes, n]
@group(0) @binding(2) var<storage, read> w: array<f32>;            // [nodes, n / 2]
@group(0) @binding(3) var<storage, read> dst_bar: array<f32>;      // [batch, nodes, n]
@group(0) @binding(4) var<storage, read_write> w_bar: array<f32>;  // [nodes, n / 2]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = linear_index(gid, groups);
    if i >= params.pairs { return; }
    let s = sin_cos(params.angle * w[i]);
    var sum = 0.0;
    for (var b = 0u; b < params.batch; b++) {
        let at = 2u * (b * params.pairs + i);
        let first = s.y * x[at] + s.x * x[at + 1u];
        let second = s.y * x[at + 1u] - s.x * x[at];
        sum += dst_bar[at] * second - dst_bar[at + 1u] * first;
    }
    w_bar[i] = params.angle * sum;
}
