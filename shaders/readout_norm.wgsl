// dst[o, c, i] = |v| + bias[c]   with v = z[o, c n .. c n + n - 1, i]
// |v| = m sqrt(sum (v_k / m)^2), m = max |v_k|: no square overflows or vanishes. A largest component that is no
// normal number counts as zero.
//
// One invocation per group of n channels; any n, so components are read again instead of being kept.

const SMALLEST_NORMAL: f32 = 1.1754943508222875e-38;

struct Params {
    count: u32,  // elements of dst
    n: u32,
    inner: u32,
    channels: u32,  // of dst
    has_bias: u32,  // 0: bias is bound to z and not read
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> z: array<Elem>;          // [outer, channels, n, inner]
@group(0) @binding(2) var<storage, read> bias: array<Elem>;       // [channels]
@group(0) @binding(3) var<storage, read_write> dst: array<Elem>;  // [outer, channels, inner]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = linear_index(gid, groups);
    if i >= params.count { return; }
    let base = origin(i, params.n, params.inner);

    var largest = 0.0;
    for (var k = 0u; k < params.n; k++) {
        largest = max(largest, abs(f32(z[base + k * params.inner])));
    }
    var norm = 0.0;
    if largest >= SMALLEST_NORMAL {
        var square = 0.0;
        for (var k = 0u; k < params.n; k++) {
            let w = f32(z[base + k * params.inner]) / largest;
            square += w * w;
        }
        norm = largest * sqrt(square);
    }
    if params.has_bias == 1u { norm = norm + f32(bias[(i / params.inner) % params.channels]); }
    dst[i] = Elem(norm);
}
