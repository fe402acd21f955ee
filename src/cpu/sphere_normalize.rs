//! `normalize(v) = v / max(|v|, 1e-12)` per oscillator, as PyTorch's `functional.normalize` does.
//!
//! `|v| = m sqrt(sum (v_k / m)^2)` with `m = max |v_k|`, so that nothing overflows or vanishes early.
//!
//! Backward above the clamp: `v_bar = (g - (g . d) d) / |v|` with `d = v / |v|`; below it the map is
//! linear and `v_bar = g / 1e-12`.

use super::{Oscillators, Real};

/// Norms below this are replaced by it.
pub const CLAMP: f64 = 1e-12;

/// Below this largest component the scaled sum is not formed: the norm is below [`CLAMP`] anyway.
const TINY: f64 = 1e-20;

/// A direction and the reciprocal of the (clamped) norm; the direction is absent below the clamp.
fn direction<R: Real>(v: &[R]) -> (Option<Vec<R>>, R) {
    let m = v.iter().fold(R::zero(), |m, x| m.max(x.abs()));
    let below = (None, R::constant(1.0 / CLAMP));
    if m.value() < TINY {
        return below;
    }
    let scaled: Vec<R> = v.iter().map(|x| *x / m).collect();
    let r = R::dot(&scaled, &scaled).inverse_sqrt();
    if (m / r).value() < CLAMP {
        return below;
    }
    (Some(scaled.iter().map(|w| *w * r).collect()), r / m)
}

/// `normalize(v)` for one oscillator.
pub fn normalize<R: Real>(v: &[R]) -> Vec<R> {
    match direction(v) {
        (Some(d), _) => d,
        (None, reciprocal) => v.iter().map(|x| *x * reciprocal).collect(),
    }
}

/// Cotangent of `v` from the cotangent `g` of `normalize(v)`, for one oscillator.
pub fn normalize_vjp<R: Real>(v: &[R], g: &[R]) -> Vec<R> {
    match direction(v) {
        (Some(d), reciprocal) => {
            let along = R::dot(g, &d);
            g.iter().zip(&d).map(|(g, d)| (*g - along * *d) * reciprocal).collect()
        }
        (None, reciprocal) => g.iter().map(|g| *g * reciprocal).collect(),
    }
}

/// `dst = normalize(x)` for all oscillators.
pub fn forward<R: Real>(x: &[R], at: &Oscillators) -> Vec<R> {
    let mut dst = x.to_vec();
    for i in 0..at.count() {
        at.scatter(&mut dst, i, &normalize(&at.gather(x, i)));
    }
    dst
}

/// `x_bar` from `dst_bar`.
pub fn backward<R: Real>(x: &[R], dst_bar: &[R], at: &Oscillators) -> Vec<R> {
    let mut x_bar = x.to_vec();
    for i in 0..at.count() {
        at.scatter(&mut x_bar, i, &normalize_vjp(&at.gather(x, i), &at.gather(dst_bar, i)));
    }
    x_bar
}
