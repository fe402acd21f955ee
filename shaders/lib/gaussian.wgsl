// Box-Muller on our own logarithm and sincos: WGSL's may be off by 2^-21 and 2^-11.

// ln(k / 2^24) for 1 <= k <= 2^24: k = 2^e m with m in [sqrt 1/2, sqrt 2), ln m = 2 atanh s, s = (m - 1) / (m + 1).
fn ln_24(k: u32) -> f32 {
    var e = i32(firstLeadingBit(k));
    var m = f32(k) / f32(1u << u32(e));
    if m >= 1.4142135623730951 {
        m = m * 0.5;
        e = e + 1;
    }
    let s = (m - 1.0) / (m + 1.0);
    let q = s * s;
    let series = (((0.1111111111111111 * q + 0.14285714285714285) * q + 0.2) * q + 0.3333333333333333) * q + 1.0;
    return f32(e - 24) * 0.6931471805599453 + 2.0 * s * series;
}

// (sin, cos) of 2 pi k / 2^24. The quadrant is split off exactly; lib/sincos has the series.
fn sin_cos_24(k: u32) -> vec2<f32> {
    let quadrant = (k + (1u << 21u)) >> 22u;
    let f = f32(i32(k) - i32(quadrant << 22u)) * 2.384185791015625e-07;  // 2^-22
    return sin_cos_quadrant(f * 1.5707963267948966, quadrant);
}

// Element `lane` of a block of Philox words as a standard normal: words (0, 1) give elements 0 and 1, (2, 3) give 2 and 3.
fn gaussian(block: vec4<u32>, lane: u32) -> f32 {
    let pair = select(block.xy, block.zw, lane >= 2u) >> vec2<u32>(8u);
    let radius = sqrt(-2.0 * ln_24(pair.x + 1u));
    let direction = sin_cos_24(pair.y);
    return radius * select(direction.y, direction.x, lane % 2u == 1u);
}
