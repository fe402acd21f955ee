// Pairs of components turned, a = angle w:  dst_2p = cos(a) x_2p + sin(a) x_2p+1,  dst_2p+1 = cos(a) x_2p+1 - sin(a) x_2p
//
// exp(angle Omega) with the Omega of sphere_step: what frequencies w alone do in the time `angle`. One invocation per pair.
// With sense = -1 the other way round, which is the transpose.

struct Params {
    len: u32,      // pairs of all samples
    pairs: u32,    // pairs of one sample
    angle: f32,
    sense: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;          // [batch, nodes, n]
@group(0) @binding(2) var<storage, read> w: array<f32>;          // [nodes, n / 2]
@group(0) @binding(3) var<storage, read_write> dst: array<f32>;  // [batch, nodes, n]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = linear_index(gid, groups);
    if i >= params.len { return; }
    let s = sin_cos(params.angle * w[i % params.pairs]);
    let sine = params.sense * s.x;
    dst[2u * i] = s.y * x[2u * i] + sine * x[2u * i + 1u];
    dst[2u * i + 1u] = s.y * x[2u * i + 1u] - sine * x[2u * i];
}
