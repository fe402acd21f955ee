// result = (how many elements are NaN or infinite, the index of the first of them or 0xFFFFFFFF)
//
// Tests exponent bits of the tensor bound as words: WGSL lets compilers assume that floats are finite.
// One workgroup: each lane strides, then trees of fixed shape.

struct Params {
    len: u32,
    is_f16: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> words: array<u32>;          // [len] elements
@group(0) @binding(2) var<storage, read_write> result: array<u32>;   // [2]

var<workgroup> counts: array<u32, WG>;
var<workgroup> firsts: array<u32, WG>;

fn is_finite(i: u32) -> bool {
    if params.is_f16 == 1u {
        let half_word = (words[i / 2u] >> (16u * (i % 2u))) & 0x7C00u;
        return half_word != 0x7C00u;
    }
    return (words[i] & 0x7F800000u) != 0x7F800000u;
}

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32) {
    var count = 0u;
    var first = 0xFFFFFFFFu;
    for (var i = lane; i < params.len; i += WG) {
        if !is_finite(i) {
            count++;
            first = min(first, i);
        }
    }
    counts[lane] = count;
    firsts[lane] = first;
    for (var half = WG / 2u; half > 0u; half = half / 2u) {
        workgroupBarrier();
        if lane < half {
            counts[lane] = counts[lane] + counts[lane + half];
            firsts[lane] = min(firsts[lane], firsts[lane + half]);
        }
    }
    workgroupBarrier();
    if lane == 0u {
        result[0] = counts[0];
        result[1] = firsts[0];
    }
}
