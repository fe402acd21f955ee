// dst = cos(d) x + (sin(d) / d) v,   d = |v|
//
// The point of the sphere that is reached from x along the great circle of the tangent vector v.
// One invocation per oscillator.

struct Params {
    count: u32,
    n: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;          // [count, n]
@group(0) @binding(2) var<storage, read> v: array<f32>;          // [count, n]
@group(0) @binding(3) var<storage, read_write> dst: array<f32>;  // [count, n]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = linear_index(gid, groups);
    if i >= params.count { return; }
    let at = i * params.n;
    var square = 0.0;
    for (var k = 0u; k < params.n; k++) { square += v[at + k] * v[at + k]; }
    let turn = turn_by(square);
    for (var k = 0u; k < params.n; k++) {
        dst[at + k] = turn.cos * x[at + k] + turn.sinc * v[at + k];
    }
}
