//! `dst = x s(x)` with the logistic function `s(x) = 1 / (1 + exp(-x))`. With `e = exp(-|x|)`, which is at most 1,
//! ```text
//! s(x) = 1 / (1 + e) for x >= 0,  e / (1 + e) for x < 0,  and  1 - s(x) = s(-x)
//! ```
//! loses nothing to cancellation. Source: Elfwing, Uchibe and Doya 2017.
//!
//! Backward: `x_bar = dst_bar s(x) (1 + x s(-x))`.

use super::Real;

/// `[s(x), s(-x)]`.
pub(super) fn logistic<R: Real>(x: R) -> [R; 2] {
    let e = (-x.abs()).exp();
    let (large, small) = (R::exact(1.0) / (R::exact(1.0) + e), e / (R::exact(1.0) + e));
    if x.value() < 0.0 { [small, large] } else { [large, small] }
}

/// `x s(x)`.
pub(super) fn value<R: Real>(x: R) -> R {
    x * logistic(x)[0]
}

/// Its derivative.
pub(super) fn slope<R: Real>(x: R) -> R {
    let [s, other] = logistic(x);
    s * (R::exact(1.0) + x * other)
}

/// `x s(x)`.
pub fn forward<R: Real>(x: &[R]) -> Vec<R> {
    x.iter().map(|x| value(*x)).collect()
}

/// `x_bar`.
pub fn backward<R: Real>(x: &[R], dst_bar: &[R]) -> Vec<R> {
    x.iter().zip(dst_bar).map(|(x, g)| *g * slope(*x)).collect()
}
