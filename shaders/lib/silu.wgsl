// silu(x) = x s(x) and its slope s(x) (1 + x s(-x)), with s(x) = 1 / (1 + exp(-x)) written so that the exponential is at
// most 1 and nothing cancels.

// s(x), s(-x).
fn logistic(x: f32) -> vec2<f32> {
    let e = exp(-abs(x));
    let pair = vec2<f32>(1.0, e) / (1.0 + e);
    return select(pair, pair.yx, x < 0.0);
}

fn silu(x: f32) -> f32 {
    return x * logistic(x).x;
}

fn silu_slope(x: f32) -> f32 {
    let s = logistic(x);
    return s.x * (1.0 + x * s.y);
}
