// tanh(x) and its slope. WGSL's own may be off by 1e-5 and overflows on some devices; here the exponential is at most 1.

// Below 1/2 Lambert's continued fraction x / (1 + x^2 / (3 + x^2 / (5 + ...))), of which seven levels leave less than
// 1e-16 of x; above, (1 - e) / (1 + e) with e = exp(-2 |x|), where nothing cancels.
fn tanh_of(x: f32) -> f32 {
    let size = abs(x);
    if size < 0.5 {
        let q = x * x;
        return x / (1.0 + q / (3.0 + q / (5.0 + q / (7.0 + q / (9.0 + q / (11.0 + q / 13.0))))));
    }
    let e = exp(-2.0 * size);
    return sign(x) * ((1.0 - e) / (1.0 + e));
}

// 1 - tanh(x)^2 = 4 e / (1 + e)^2.
fn tanh_slope(x: f32) -> f32 {
    let e = exp(-2.0 * abs(x));
    let share = 2.0 / (1.0 + e);
    return e * share * share;
}
