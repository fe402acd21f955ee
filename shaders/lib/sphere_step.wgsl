// What the forward and backward passes of a step share: the argument of its normalisation,
//   v = x + gamma (Omega x + P_x y),   P_x y = y - (x . y) x
// read component by component from the bindings x, y, gamma and frequencies of the kernel.

const ROTATION_NONE: u32 = 0u;
const ROTATION_IDENTITY: u32 = 1u;  // Omega x = x
const ROTATION_GLOBAL: u32 = 2u;    // one frequency
const ROTATION_PER_PAIR: u32 = 3u;  // one per pair of channels (2p, 2p + 1)

// Frequency of component k of oscillator i; oscillator group g owns the channels g n .. g n + n - 1.
fn frequency(i: u32, k: u32) -> f32 {
    if params.rotation == ROTATION_PER_PAIR {
        let group = (i / params.inner) % params.groups;
        return frequencies[group * (params.n / 2u) + k / 2u];
    }
    return frequencies[0];
}

// (Omega x)_k of oscillator i: w x_2p+1 for k = 2p, -w x_2p for k = 2p + 1.
fn turned(i: u32, base: u32, k: u32) -> f32 {
    if params.rotation == ROTATION_NONE { return 0.0; }
    if params.rotation == ROTATION_IDENTITY { return f32(x[base + k * params.inner]); }
    let w = frequency(i, k);
    let partner = f32(x[base + (k ^ 1u) * params.inner]);
    return select(-w, w, k % 2u == 0u) * partner;
}

// x . y of the oscillator at base.
fn x_along_y(base: u32) -> f32 {
    var sum = 0.0;
    for (var k = 0u; k < params.n; k++) {
        let at = base + k * params.inner;
        sum += f32(x[at]) * f32(y[at]);
    }
    return sum;
}

// (Omega x + P_x y)_k; along is x . y, or 0 where the projection is switched off.
fn velocity(i: u32, base: u32, k: u32, along: f32) -> f32 {
    let at = base + k * params.inner;
    return turned(i, base, k) + (f32(y[at]) - along * f32(x[at]));
}

fn argument(i: u32, base: u32, k: u32, along: f32) -> f32 {
    return f32(x[base + k * params.inner]) + gamma[0] * velocity(i, base, k, along);
}

fn norm_of_argument(i: u32, base: u32, along: f32) -> Norm {
    var largest = 0.0;
    for (var k = 0u; k < params.n; k++) {
        largest = max(largest, abs(argument(i, base, k, along)));
    }
    let divisor = max(largest, NORM_TINY);
    var square = 0.0;
    for (var k = 0u; k < params.n; k++) {
        let v = argument(i, base, k, along) / divisor;
        square += v * v;
    }
    return norm_of(largest, square);
}
