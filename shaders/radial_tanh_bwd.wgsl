// x_bar_i = tanh(r) / r g + (1 - tanh(r)^2 - tanh(r) / r) (g . u) u   with g = dst_bar_i, r = |x_i|, u = x_i / r
// Near r = 0 the second term is 2 a'(r^2) (g . x) x with the series a(r^2) = tanh(r) / r: nothing is divided by r.
//
// One invocation per neuron.

struct Params {
    count: u32,  // neurons
    n: u32,      // components of one
    inner: u32,
    near: f32,   // 0.2 / sqrt(n): below this largest component r is below 0.2
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
    let divisor = max(largest, 1.0);
    var square = 0.0;
    for (var k = 0u; k < params.n; k++) {
        let w = f32(x[base + k * params.inner]) / divisor;
        square += w * w;
    }
    // With w = x / divisor and along = g . w / stretch: x_bar = across g + bend along (w / stretch).
    var across = tanh_ratio(square);
    var bend = tanh_ratio_slope(square);
    var stretch = 1.0;
    if largest >= params.near {
        stretch = sqrt(square);
        let e = radial_decay(divisor * stretch);
        across = (((1.0 - e) / (1.0 + e)) / stretch) / divisor;
        bend = 4.0 * e / ((1.0 + e) * (1.0 + e)) - across;
    }
    var along = 0.0;
    for (var k = 0u; k < params.n; k++) {
        let at = base + k * params.inner;
        along += f32(dst_bar[at]) * ((f32(x[at]) / divisor) / stretch);
    }
    for (var k = 0u; k < params.n; k++) {
        let at = base + k * params.inner;
        let u = (f32(x[at]) / divisor) / stretch;
        x_bar[at] = Elem(across * f32(dst_bar[at]) + (bend * along) * u);
    }
}
