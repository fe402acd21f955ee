// partial[w] = max |h_i| over the rows i of workgroup w, h [count, n], as the bits of an f32
//
// Numbers that are not negative have the order of their bits, and a NaN comes after infinity: a maximum of integers loses
// none. Comparisons of floats could, since WGSL lets compilers assume that floats are finite. Few workgroups take all rows,
// for the host reads a number of each.

const INFINITE: u32 = 0x7F800000u;

struct Params {
    count: u32,
    n: u32,
    groups: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> h: array<Elem>;             // [count, n]
@group(0) @binding(2) var<storage, read_write> partial: array<u32>;  // [groups]

var<workgroup> tops: array<u32, WG>;

// |h_i|, of components over the largest of them, so that no square overflows or vanishes.
fn length_bits(i: u32) -> u32 {
    let base = i * params.n;
    var top = 0u;
    for (var k = 0u; k < params.n; k++) { top = max(top, bitcast<u32>(f32(h[base + k])) & 0x7FFFFFFFu); }
    if top >= INFINITE { return top; }
    let largest = bitcast<f32>(top);
    let divisor = max(largest, NORM_TINY);
    var square = 0.0;
    for (var k = 0u; k < params.n; k++) {
        let scaled = f32(h[base + k]) / divisor;
        square += scaled * scaled;
    }
    return bitcast<u32>(divisor * sqrt(square));
}

@compute @workgroup_size(WG)
fn main(
    @builtin(global_invocation_id) gid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    var top = 0u;
    for (var i = linear_index(gid, groups); i < params.count; i += params.groups * WG) { top = max(top, length_bits(i)); }
    tops[lane] = top;
    for (var half = WG / 2u; half > 0u; half = half / 2u) {
        workgroupBarrier();
        if lane < half { tops[lane] = max(tops[lane], tops[lane + half]); }
    }
    let w = linear_group(wid, groups);
    if lane == 0u && w < params.groups { partial[w] = tops[0]; }
}
