//! `dst = max(x, 0)² / 2`, whose slope is the rectifier: smooth enough that a fixed point's Jacobian is continuous. Source:
//! So et al. 2021 ("Primer"), section 3.1, here with the factor 1/2 of the attractor models.
//!
//! Backward: `x_bar = dst_bar max(x, 0)`.

use super::Real;

/// `max(x, 0)² / 2`.
pub fn forward<R: Real>(x: &[R]) -> Vec<R> {
    x.iter().map(|x| if x.value() > 0.0 { R::exact(0.5) * *x * *x } else { R::zero() }).collect()
}

/// `x_bar`.
pub fn backward<R: Real>(x: &[R], dst_bar: &[R]) -> Vec<R> {
    x.iter().zip(dst_bar).map(|(x, g)| if x.value() > 0.0 { *g * *x } else { R::zero() }).collect()
}
