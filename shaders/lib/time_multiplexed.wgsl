// What the forward recurrence and its replay share: one workgroup holds the states of four samples side by side, so that
// a weight is read once for four products, and twice, so that a step reads one half and writes the other and a single
// barrier parts the steps.

const MOST: u32 = 256u;  // nodes
const SIDE: u32 = 4u;    // samples of a workgroup

const TANH: u32 = 0u;
const RELU: u32 = 1u;

var<workgroup> h: array<vec4<f32>, 2u * MOST>;

// With e = exp(-2 |x|), which is at most 1: tanh |x| = (1 - e) / (1 + e). Nothing overflows, at any x.
fn activation(x: vec4<f32>) -> vec4<f32> {
    let zero = vec4<f32>(0.0);
    if params.activation == TANH {
        let e = exp(-2.0 * abs(x));
        let y = (1.0 - e) / (1.0 + e);
        return select(y, -y, x < zero);
    }
    // Written as a choice of zero, so that NaN stays NaN.
    if params.activation == RELU { return select(x, zero, x <= zero); }
    return x;
}

// 4 e / (1 + e)^2 does not cancel where tanh is near 1, as 1 - tanh^2 does.
fn slope(x: vec4<f32>) -> vec4<f32> {
    let zero = vec4<f32>(0.0);
    let one = vec4<f32>(1.0);
    if params.activation == TANH {
        let e = exp(-2.0 * abs(x));
        let d = one + e;
        return 4.0 * e / d / d;
    }
    if params.activation == RELU { return select(one, zero, x <= zero); }
    return one;
}

// Node i of h[0] of samples b to b + 3; zero past the last sample.
fn starts(b: u32, i: u32) -> vec4<f32> {
    var v = vec4<f32>(0.0);
    for (var k = 0u; k < SIDE; k++) {
        if b + k < params.batch { v[k] = f32(state[(b + k) * params.nodes + i]); }
    }
    return v;
}

// The arguments of the activation of node i of samples b to b + 3 in step t; the states are in half t % 2 of h.
fn arguments(b: u32, t: u32, i: u32) -> vec4<f32> {
    let n = params.nodes;
    let node = (params.first + t) % params.banks * n + i;
    let row = node * n;
    let half = t % 2u * MOST;
    var sum = vec4<f32>(f32(bias[node]));
    for (var k = 0u; k < SIDE; k++) {
        let at = ((b + k) * params.drives + min(t, params.drives - 1u)) * n + i;
        if b + k < params.batch { sum[k] += f32(drive[at]); }
    }
    var j = 0u;
    for (; j + 4u <= n; j += 4u) {
        sum += (f32(w[row + j]) * h[half + j] + f32(w[row + j + 1u]) * h[half + j + 1u])
            + (f32(w[row + j + 2u]) * h[half + j + 2u] + f32(w[row + j + 3u]) * h[half + j + 3u]);
    }
    for (; j < n; j++) { sum += f32(w[row + j]) * h[half + j]; }
    return sum;
}
