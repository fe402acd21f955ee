//! `dst = alpha x + y`, alpha a number of the host. Backward: `x_bar = alpha dst_bar, y_bar = dst_bar`.

use super::Real;

/// `alpha x + y`.
pub fn forward<R: Real>(alpha: f32, x: &[R], y: &[R]) -> Vec<R> {
    let alpha = R::exact(alpha.into());
    x.iter().zip(y).map(|(x, y)| alpha * *x + *y).collect()
}

/// `[x_bar, y_bar]`.
pub fn backward<R: Real>(alpha: f32, dst_bar: &[R]) -> [Vec<R>; 2] {
    [super::scale::forward(alpha, dst_bar), dst_bar.to_vec()]
}
