//! `dst = max(x, 0)`. Backward: `x_bar = dst_bar` where `x > 0`, else 0; at 0 too, as in PyTorch.

use super::Real;

/// `max(x, 0)`.
pub fn forward<R: Real>(x: &[R]) -> Vec<R> {
    x.iter().map(|x| if x.value() > 0.0 { *x } else { R::zero() }).collect()
}

/// `x_bar`.
pub fn backward<R: Real>(x: &[R], dst_bar: &[R]) -> Vec<R> {
    x.iter().zip(dst_bar).map(|(x, g)| if x.value() > 0.0 { *g } else { R::zero() }).collect()
}
