// x_bar_i = (g - (g . d) d) / |x_i| with g = dst_bar_i, d = x_i / |x_i|; g / 1e-12 below the clamp
//
// One invocation per oscillator.

struct Params {
    count: u32,  // oscillators
    n: u32,
    inner: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;            // [outer, n, inner]
@group(0) @binding(2) var<storage, read> dst_bar: array<Elem>;      // [outer, n, inner]
@group(0) @binding(3) var<storage, read_write> x_bar: array<Elem>;  // [outer, n, inner]

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

    // Below the clamp the map is linear: nothing is projected out.
    var along = 0.0;
    if norm.clamped == 0u {
        for (var k = 0u; k < params.n; k++) {
            let at = base + k * params.inner;
            along += f32(dst_bar[at]) * ((f32(x[at]) / norm.largest) * norm.stretch);
        }
    }
    for (var k = 0u; k < params.n; k++) {
        let at = base + k * params.inner;
        let d = (f32(x[at]) / norm.largest) * norm.stretch;
        x_bar[at] = Elem((f32(dst_bar[at]) - along * d) * (norm.stretch / norm.largest));
    }
}
