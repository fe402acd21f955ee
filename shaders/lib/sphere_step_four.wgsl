// What the kernels of a step share when they take four neighbouring oscillators of one group at a time, "a four": each is a
// lane of vec4s, N a constant of the prelude. Component k of a four is one vec4 of memory, and its components lie `inner`
// vec4s apart; lengths and indices count fours. Lane by lane the arithmetic is that of the kernels of one oscillator:
//   v = x + gamma (Omega x + P_x y),   P_x y = y - (x . y) x,   d = v / |v|
// read from the bindings x, y, gamma and frequencies of the kernel.

const ROTATION_NONE: u32 = 0u;
const ROTATION_IDENTITY: u32 = 1u;  // Omega x = x
const ROTATION_GLOBAL: u32 = 2u;    // one frequency
const ROTATION_PER_PAIR: u32 = 3u;  // one per pair of channels (2p, 2p + 1)

const PAIRS: u32 = N / 2u;

struct Step {
    x: array<vec4<f32>, N>,
    y: array<vec4<f32>, N>,
    velocity: array<vec4<f32>, N>,  // Omega x + P_x y
    d: array<vec4<f32>, N>,         // normalize(v)
    v_bar: array<vec4<f32>, N>,     // for the backward kernels to fill
    along: vec4<f32>,               // x . y
    largest: vec4<f32>,             // as in Norm
    stretch: vec4<f32>,
    clamped: vec4<bool>,
}

// Frequency of pair p of four i; oscillator group g owns the pairs g N / 2 .. g N / 2 + N / 2 - 1.
fn frequency(i: u32, p: u32) -> f32 {
    if params.rotation == ROTATION_PER_PAIR {
        return frequencies[((i / params.inner) % params.groups) * PAIRS + p];
    }
    return frequencies[0];
}

// Four i, whose first component is at base.
fn step_of(i: u32, base: u32) -> Step {
    var s: Step;
    for (var k = 0u; k < N; k++) {
        s.x[k] = vec4<f32>(x[base + k * params.inner]);
        s.y[k] = vec4<f32>(y[base + k * params.inner]);
    }
    var along = vec4<f32>();
    for (var k = 0u; k < N; k++) { along += s.x[k] * s.y[k]; }
    s.along = along;
    let pull = select(vec4<f32>(), along, params.projection == 1u);
    for (var k = 0u; k < N; k++) { s.velocity[k] = s.y[k] - pull * s.x[k]; }
    if params.rotation == ROTATION_IDENTITY {
        for (var k = 0u; k < N; k++) { s.velocity[k] = s.x[k] + s.velocity[k]; }
    } else if params.rotation != ROTATION_NONE {
        for (var p = 0u; p < PAIRS; p++) {
            let w = frequency(i, p);
            s.velocity[2u * p] = w * s.x[2u * p + 1u] + s.velocity[2u * p];
            s.velocity[2u * p + 1u] = -w * s.x[2u * p] + s.velocity[2u * p + 1u];
        }
    }
    var largest = vec4<f32>();
    for (var k = 0u; k < N; k++) {
        s.d[k] = s.x[k] + gamma[0] * s.velocity[k];
        largest = max(largest, abs(s.d[k]));
    }
    let divisor = max(largest, vec4<f32>(NORM_TINY));
    var square = vec4<f32>();
    for (var k = 0u; k < N; k++) {
        let scaled = s.d[k] / divisor;
        square += scaled * scaled;
    }
    // norm_of, lane by lane.
    let stretch = inverseSqrt(square);
    s.clamped = (largest < vec4<f32>(NORM_TINY)) | (largest / stretch < vec4<f32>(NORM_CLAMP));
    s.largest = select(largest, vec4<f32>(1.0), s.clamped);
    s.stretch = select(stretch, vec4<f32>(1.0 / NORM_CLAMP), s.clamped);
    for (var k = 0u; k < N; k++) { s.d[k] = (s.d[k] / s.largest) * s.stretch; }
    return s;
}
