// What the backward kernels of a step share when the oscillator is in registers, N a constant of the prelude:
//   v = x + gamma (Omega x + P_x y),   P_x y = y - (x . y) x
//   v_bar = (g - (g . d) d) / |v|   with g = dst_bar, d = v / |v|;   g / 1e-12 below the clamp
// read from the bindings x, y, gamma, frequencies and dst_bar of the kernel. Sums run in the order of the plain kernels.

const ROTATION_NONE: u32 = 0u;
const ROTATION_IDENTITY: u32 = 1u;  // Omega x = x
const ROTATION_GLOBAL: u32 = 2u;    // one frequency
const ROTATION_PER_PAIR: u32 = 3u;  // one per pair of channels (2p, 2p + 1)

const PAIRS: u32 = N / 2u;

struct Step {
    x: array<f32, N>,
    y: array<f32, N>,
    velocity: array<f32, N>,  // Omega x + P_x y
    v_bar: array<f32, N>,
    along: f32,               // x . y
}

// Frequency of pair p of oscillator i; oscillator group g owns the pairs g N / 2 .. g N / 2 + N / 2 - 1.
fn frequency(i: u32, p: u32) -> f32 {
    if params.rotation == ROTATION_PER_PAIR {
        return frequencies[((i / params.inner) % params.groups) * PAIRS + p];
    }
    return frequencies[0];
}

fn step_of(i: u32) -> Step {
    let base = origin(i, N, params.inner);
    var s: Step;
    var along = 0.0;
    for (var k = 0u; k < N; k++) {
        s.x[k] = f32(x[base + k * params.inner]);
        s.y[k] = f32(y[base + k * params.inner]);
        along += s.x[k] * s.y[k];
    }
    s.along = along;
    let pull = select(0.0, along, params.projection == 1u);
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
    var d: array<f32, N>;
    var largest = 0.0;
    for (var k = 0u; k < N; k++) {
        d[k] = s.x[k] + gamma[0] * s.velocity[k];
        largest = max(largest, abs(d[k]));
    }
    let divisor = max(largest, NORM_TINY);
    var square = 0.0;
    for (var k = 0u; k < N; k++) {
        let scaled = d[k] / divisor;
        square += scaled * scaled;
    }
    let norm = norm_of(largest, square);
    // Below the clamp the map is linear and nothing is projected out.
    var along_g = 0.0;
    for (var k = 0u; k < N; k++) {
        d[k] = (d[k] / norm.largest) * norm.stretch;
        s.v_bar[k] = f32(dst_bar[base + k * params.inner]);
        if norm.clamped == 0u { along_g += s.v_bar[k] * d[k]; }
    }
    for (var k = 0u; k < N; k++) {
        s.v_bar[k] = (s.v_bar[k] - along_g * d[k]) * (norm.stretch / norm.largest);
    }
    return s;
}
