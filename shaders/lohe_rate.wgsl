// dst = Omega x + P_x y,   P_x y = y - (x . y) x,   (Omega x)_2p = w_p x_2p+1,  (Omega x)_2p+1 = - w_p x_2p
//
// One invocation per oscillator. Without frequencies w is bound to x and not read.

struct Params {
    count: u32,  // oscillators of all samples
    nodes: u32,
    n: u32,
    turning: u32,  // 1 with frequencies
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;          // [batch, nodes, n]
@group(0) @binding(2) var<storage, read> y: array<f32>;          // [batch, nodes, n]
@group(0) @binding(3) var<storage, read> w: array<f32>;          // [nodes, n / 2]
@group(0) @binding(4) var<storage, read_write> dst: array<f32>;  // [batch, nodes, n]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = linear_index(gid, groups);
    if i >= params.count { return; }
    let at = i * params.n;
    var along = 0.0;
    for (var k = 0u; k < params.n; k++) { along += x[at + k] * y[at + k]; }
    for (var k = 0u; k < params.n; k++) {
        var rate = y[at + k] - along * x[at + k];
        if params.turning == 1u {
            let frequency = w[i % params.nodes * (params.n / 2u) + k / 2u];
            rate += select(-frequency * x[at + k - 1u], frequency * x[at + k + 1u], k % 2u == 0u);
        }
        dst[at + k] = rate;
    }
}
