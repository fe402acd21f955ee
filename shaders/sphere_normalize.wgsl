// dst_i = x_i / max(|x_i|, 1e-12) for every oscillator i
//
// One invocation per oscillator; any n, so components are read again instead of being kept.

struct Params {
    count: u32,  // oscillators
    n: u32,
    inner: u32,
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
    let divisor = max(largest, NORM_TINY);
    var square = 0.0;
    for (var k = 0u; k < params.n; k++) {
        let v = f32(x[base + k * params.inner]) / divisor;
        square += v * v;
    }
    let norm = norm_of(largest, square);
    for (var k = 0u; k < params.n; k++) {
        let at = base + k * params.inner;
        dst[at] = Elem((f32(x[at]) / norm.largest) * norm.stretch);
    }
}
