// What the forward recurrence and its replay share: one workgroup holds the state of one sample, twice, so that a step
// reads one half and writes the other and a single barrier parts the steps.

const MOST: u32 = 256u;  // nodes

const TANH: u32 = 0u;
const RELU: u32 = 1u;

var<workgroup> h: array<f32, 2u * MOST>;

// With e = exp(-2 |x|), which is at most 1: tanh |x| = (1 - e) / (1 + e). Nothing overflows, at any x.
fn activation(x: f32) -> f32 {
    if params.activation == TANH {
        let e = exp(-2.0 * abs(x));
        let y = (1.0 - e) / (1.0 + e);
        return select(y, -y, x < 0.0);
    }
    // Written as a choice of zero, so that NaN stays NaN.
    if params.activation == RELU { return select(x, 0.0, x <= 0.0); }
    return x;
}

// 4 e / (1 + e)^2 does not cancel where tanh is near 1, as 1 - tanh^2 does.
fn slope(x: f32) -> f32 {
    if params.activation == TANH {
        let e = exp(-2.0 * abs(x));
        let d = 1.0 + e;
        return 4.0 * e / d / d;
    }
    if params.activation == RELU { return select(1.0, 0.0, x <= 0.0); }
    return 1.0;
}

// The argument of the activation of node i of sample b in step t; the state is in half t % 2 of h.
fn argument(b: u32, t: u32, i: u32) -> f32 {
    let n = params.nodes;
    let node = (params.first + t) % params.banks * n + i;
    let row = node * n;
    let half = t % 2u * MOST;
    var sum = f32(drive[(b * params.drives + min(t, params.drives - 1u)) * n + i]) + f32(bias[node]);
    var j = 0u;
    for (; j + 4u <= n; j += 4u) {
        sum += (f32(w[row + j]) * h[half + j] + f32(w[row + j + 1u]) * h[half + j + 1u])
            + (f32(w[row + j + 2u]) * h[half + j + 2u] + f32(w[row + j + 3u]) * h[half + j + 3u]);
    }
    for (; j < n; j++) { sum += f32(w[row + j]) * h[half + j]; }
    return sum;
}
