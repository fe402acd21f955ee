// x_bar[o,c,k,i] = s(g) dst_bar[o,c,k,i],   g_bar[o,c,i] = s(g) s(-g) sum_k dst_bar[o,c,k,i] x[o,c,k,i]
//
// One invocation per neuron.

struct Params {
    count: u32,  // neurons
    n: u32,      // components of one
    inner: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;            // [outer, n, inner]
@group(0) @binding(2) var<storage, read> g: array<Elem>;            // [outer, inner]
@group(0) @binding(3) var<storage, read> dst_bar: array<Elem>;      // [outer, n, inner]
@group(0) @binding(4) var<storage, read_write> x_bar: array<Elem>;  // [outer, n, inner]
@group(0) @binding(5) var<storage, read_write> g_bar: array<Elem>;  // [outer, inner]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = linear_index(gid, groups);
    if i >= params.count { return; }
    let base = origin(i, params.n, params.inner);
    let s = logistic(f32(g[i]));
    var along = 0.0;
    for (var k = 0u; k < params.n; k++) {
        let at = base + k * params.inner;
        let d = f32(dst_bar[at]);
        along += d * f32(x[at]);
        x_bar[at] = Elem(s.x * d);
    }
    g_bar[i] = Elem(s.x * s.y * along);
}
