// z_bar[o, c n + k, i] = dst_bar[o, c, i] v_k / |v|, and 0 where |v| = 0;   v = z[o, c n .. c n + n - 1, i]
// channel_sums has the cotangent of the bias.
//
// One invocation per group of n channels.

const SMALLEST_NORMAL: f32 = 1.1754943508222875e-38;

struct Params {
    count: u32,  // elements of dst_bar
    n: u32,
    inner: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> z: array<Elem>;            // [outer, channels, n, inner]
@group(0) @binding(2) var<storage, read> dst_bar: array<Elem>;      // [outer, channels, inner]
@group(0) @binding(3) var<storage, read_write> z_bar: array<Elem>;  // [outer, channels, n, inner]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = linear_index(gid, groups);
    if i >= params.count { return; }
    let base = origin(i, params.n, params.inner);

    var largest = 0.0;
    for (var k = 0u; k < params.n; k++) {
        largest = max(largest, abs(f32(z[base + k * params.inner])));
    }
    let is_zero = largest < SMALLEST_NORMAL;
    let divisor = max(largest, SMALLEST_NORMAL);
    var square = 0.0;
    for (var k = 0u; k < params.n; k++) {
        let w = f32(z[base + k * params.inner]) / divisor;
        square += w * w;
    }
    let stretch = select(inverseSqrt(square), 0.0, is_zero);
    let g = f32(dst_bar[i]);
    for (var k = 0u; k < params.n; k++) {
        let at = base + k * params.inner;
        if is_zero {
            z_bar[at] = Elem(0.0);
        } else {
            z_bar[at] = Elem(g * ((f32(z[at]) / divisor) * stretch));
        }
    }
}
