// g the cotangent of dst:
// y_bar = g - (x . g) x
// x_bar = Omega^T g - (x . y) g - (x . g) y,   (Omega^T g)_2p = - w_p g_2p+1,  (Omega^T g)_2p+1 = w_p g_2p
//
// One invocation per oscillator.

struct Params {
    count: u32,
    nodes: u32,
    n: u32,
    turning: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;            // [batch, nodes, n]
@group(0) @binding(2) var<storage, read> y: array<f32>;            // [batch, nodes, n]
@group(0) @binding(3) var<storage, read> w: array<f32>;            // [nodes, n / 2]
@group(0) @binding(4) var<storage, read> dst_bar: array<f32>;      // [batch, nodes, n]
@group(0) @binding(5) var<storage, read_write> x_bar: array<f32>;  // [batch, nodes, n]
@group(0) @binding(6) var<storage, read_write> y_bar: array<f32>;  // [batch, nodes, n]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = linear_index(gid, groups);
    if i >= params.count { return; }
    let at = i * params.n;
    var xy = 0.0;
    var xg = 0.0;
    for (var k = 0u; k < params.n; k++) {
        xy += x[at + k] * y[at + k];
        xg += x[at + k] * dst_bar[at + k];
    }
    for (var k = 0u; k < params.n; k++) {
        let g = dst_bar[at + k];
        var bar = -xy * g - xg * y[at + k];
        if params.turning == 1u {
            let frequency = w[i % params.nodes * (params.n / 2u) + k / 2u];
            bar += select(frequency * dst_bar[at + k - 1u], -frequency * dst_bar[at + k + 1u], k % 2u == 0u);
        }
        x_bar[at + k] = bar;
        y_bar[at + k] = g - xg * x[at + k];
    }
}
