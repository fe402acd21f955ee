// deviation[lane] = the largest | |x_i|^2 - 1 | over the oscillators i that the lane visits
//
// One workgroup; the host takes the largest of the WG results.

struct Params {
    count: u32,  // oscillators
    n: u32,
    inner: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;               // [outer, n, inner]
@group(0) @binding(2) var<storage, read_write> deviation: array<f32>;  // [WG]

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32) {
    var largest = 0.0;
    for (var i = lane; i < params.count; i += WG) {
        let base = origin(i, params.n, params.inner);
        var square = 0.0;
        for (var k = 0u; k < params.n; k++) {
            let v = f32(x[base + k * params.inner]);
            square += v * v;
        }
        largest = max(largest, abs(square - 1.0));
    }
    deviation[lane] = largest;
}
