// x <- factor x + shift, `rounds` times for 32 numbers in registers that do not depend on each other: what arithmetic can
// do. Their sum is stored, or a compiler would leave all of it out.

struct Params {
    len: u32,
    rounds: u32,
    factor: f32,
    shift: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> dst: array<f32>;  // [len]

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = gid.x + gid.y * groups.x * WG;
    if i >= params.len { return; }
    let factor = vec4<f32>(params.factor);
    let shift = vec4<f32>(params.shift);
    var a = vec4<f32>(f32(i % 7u));
    var b = a + 1.0;
    var c = a + 2.0;
    var d = a + 3.0;
    var e = a + 4.0;
    var f = a + 5.0;
    var g = a + 6.0;
    var h = a + 7.0;
    for (var round = 0u; round < params.rounds; round++) {
        a = fma(a, factor, shift);
        b = fma(b, factor, shift);
        c = fma(c, factor, shift);
        d = fma(d, factor, shift);
        e = fma(e, factor, shift);
        f = fma(f, factor, shift);
        g = fma(g, factor, shift);
        h = fma(h, factor, shift);
    }
    let sum = ((a + b) + (c + d)) + ((e + f) + (g + h));
    dst[i] = (sum.x + sum.y) + (sum.z + sum.w);
}
