//! `dst = alpha x`, alpha a number of the host. Backward: `x_bar = alpha dst_bar`.

use super::Real;

/// `alpha x`; its own transpose.
pub fn forward<R: Real>(alpha: f32, x: &[R]) -> Vec<R> {
    let alpha = R::exact(alpha.into());
    x.iter().map(|x| alpha * *x).collect()
}
