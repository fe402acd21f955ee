// w_bar[i, p] = sum_b (g_2p x_2p+1 - g_2p+1 x_2p)
//
// One invocation per frequency.

struct Params {
    len: u32,     // nodes * n / 2
    batch: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;            // [batch, nodes, n]
@group(0) @binding(2) var<storage, read> dst_bar: array<f32>;      // [batch, nodes, n]
@group(0) @binding(3) var<storage, read_write> w_bar: array<f32>;  // [nodes, n / 2]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = linear_index(gid, groups);
    if i >= params.len { return; }
    var sum = 0.0;
    for (var b = 0u; b < params.batch; b++) {
        let at = 2u * (b * params.len + i);
        sum += dst_bar[at] * x[at + 1u] - dst_bar[at + 1u] * x[at];
    }
    w_bar[i] = sum;
}
