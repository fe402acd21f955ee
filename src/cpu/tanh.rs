//! `dst = tanh(x)`: below 1/2 by Lambert's continued fraction
//! ```text
//! tanh x = x / (1 + x² / (3 + x² / (5 + x² / (7 + ...))))
//! ```
//! of which seven levels leave less than 1e-16 of `x`, above by `(1 - e) / (1 + e)` with `e = exp(-2 |x|)`; the
//! exponential is at most 1 and nothing cancels. Source: Lambert 1768; Abramowitz and Stegun, 4.5.70.
//!
//! Backward: `x_bar = dst_bar (1 - tanh² x) = dst_bar 4 e / (1 + e)²`.

use super::Real;

/// `tanh(x)`.
pub(super) fn value<R: Real>(x: R) -> R {
    if x.value().abs() < 0.5 {
        let q = x * x;
        let below = [11.0, 9.0, 7.0, 5.0, 3.0, 1.0].map(R::exact);
        return x / below.into_iter().fold(R::exact(13.0), |rest, level| level + q / rest);
    }
    let e = (R::exact(-2.0) * x.abs()).exp();
    let size = (R::exact(1.0) - e) / (R::exact(1.0) + e);
    if x.value() < 0.0 { -size } else { size }
}

/// Its derivative.
pub(super) fn slope<R: Real>(x: R) -> R {
    let e = (R::exact(-2.0) * x.abs()).exp();
    let share = R::exact(2.0) / (R::exact(1.0) + e);
    e * share * share
}

/// `tanh(x)`.
pub fn forward<R: Real>(x: &[R]) -> Vec<R> {
    x.iter().map(|x| value(*x)).collect()
}

/// `x_bar`.
pub fn backward<R: Real>(x: &[R], dst_bar: &[R]) -> Vec<R> {
    x.iter().zip(dst_bar).map(|(x, g)| *g * slope(*x)).collect()
}
