// g the cotangent of dst, s = sin(d) / d:
// x_bar = cos(d) g
// v_bar = s g + ((cos(d) - s) / d^2 (g . v) - s (g . x)) v
//
// One invocation per oscillator.

struct Params {
    count: u32,
    n: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;            // [count, n]
@group(0) @binding(2) var<storage, read> v: array<f32>;            // [count, n]
@group(0) @binding(3) var<storage, read> dst_bar: array<f32>;      // [count, n]
@group(0) @binding(4) var<storage, read_write> x_bar: array<f32>;  // [count, n]
@group(0) @binding(5) var<storage, read_write> v_bar: array<f32>;  // [count, n]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = linear_index(gid, groups);
    if i >= params.count { return; }
    let at = i * params.n;
    var square = 0.0;
    var gv = 0.0;
    var gx = 0.0;
    for (var k = 0u; k < params.n; k++) {
        square += v[at + k] * v[at + k];
        gv += dst_bar[at + k] * v[at + k];
        gx += dst_bar[at + k] * x[at + k];
    }
    let turn = turn_by(square);
    let along = turn.bend * gv - turn.sinc * gx;
    for (var k = 0u; k < params.n; k++) {
        x_bar[at + k] = turn.cos * dst_bar[at + k];
        v_bar[at + k] = turn.sinc * dst_bar[at + k] + along * v[at + k];
    }
}
