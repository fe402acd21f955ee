// dst[o,c,k,i] = s(g[o,c,i]) x[o,c,k,i],   s(g) = 1 / (1 + exp(-g)): one gate for the n components of a neuron
//
// One invocation per element.

struct Params {
    len: u32,
    n: u32,      // components of a neuron
    inner: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;          // [outer, n, inner]
@group(0) @binding(2) var<storage, read> g: array<Elem>;          // [outer, inner]
@group(0) @binding(3) var<storage, read_write> dst: array<Elem>;  // [outer, n, inner]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = linear_index(gid, groups);
    if i >= params.len { return; }
    let neuron = i / (params.n * params.inner) * params.inner + i % params.inner;
    dst[i] = Elem(logistic(f32(g[neuron])).x * f32(x[i]));
}
