// dst_i = tanh(r) / r z_i,   r = |z_i|, for the k components of every neuron i
// z is scaled by its largest component if that is above 1, so that no square overflows; squares that vanish are harmless.
//
// One invocation per neuron; any k, so components are read again instead of being kept.

struct Params {
    count: u32,  // neurons
    n: u32,      // components of one
    inner: u32,
    near: f32,   // 0.2 / sqrt(n): below this largest component r is below 0.2
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;          // [outer, n, inner]
@group(0) @binding(2) var<storage, read_write> dst: array<Elem>;  // [outer, n, inner]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = linear_index(gid, groups);
    if i >= params.count { return; }
    let base = origin(i, params.n, params.inner);

    var largest = 0.0;
    for (var k = 0u; k < params.n; k++) {
        largest = max(largest, abs(f32(x[base + k * params.inner])));
    }
    let divisor = max(largest, 1.0);
    var square = 0.0;
    for (var k = 0u; k < params.n; k++) {
        let w = f32(x[base + k * params.inner]) / divisor;
        square += w * w;
    }
    var factor = tanh_ratio(square);
    if largest >= params.near {
        let root = sqrt(square);
        let e = radial_decay(divisor * root);
        factor = ((1.0 - e) / (1.0 + e)) / root;
    }
    for (var k = 0u; k < params.n; k++) {
        let at = base + k * params.inner;
        dst[at] = Elem((f32(x[at]) / divisor) * factor);
    }
}
