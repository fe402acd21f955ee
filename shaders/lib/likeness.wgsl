// How much an oscillator looks at an anchor.

// The sum of these is replaced by it below.
const SUM_CLAMP: f32 = 1e-8;

// y^(p - 1) and y^p for y = max(1 + s, 0): the slope is p times the first where 1 + s > 0.
fn powers(s: f32) -> vec2<f32> {
    let y = max(1.0 + s, 0.0);
    var below = 1.0;
    for (var e = 1u; e < params.power; e++) { below *= y; }
    return vec2<f32>(below, below * y);
}
