// softplus(x) = ln(1 + exp(x)) = max(x, 0) + ln(1 + e) with e = exp(-|x|), relatively accurate also far left, where it
// is e. Its slope is the logistic function of lib/silu.

// ln(1 + x) for x in [0, 1]: 2 atanh s, s = x / (2 + x), eight terms of the series. WGSL's log is off by 2^-21 near 1.
fn ln_1p(x: f32) -> f32 {
    let s = x / (2.0 + x);
    let q = s * s;
    let series = ((((((0.06666666666666667 * q + 0.07692307692307693) * q + 0.09090909090909091) * q
        + 0.1111111111111111) * q + 0.14285714285714285) * q + 0.2) * q + 0.3333333333333333) * q + 1.0;
    return 2.0 * s * series;
}

fn softplus(x: f32) -> f32 {
    return max(x, 0.0) + ln_1p(exp(-abs(x)));
}
