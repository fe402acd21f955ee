//! `dst = a + b`. Backward: both cotangents equal `dst_bar`.

use super::Real;

/// `a + b`.
pub fn forward<R: Real>(a: &[R], b: &[R]) -> Vec<R> {
    a.iter().zip(b).map(|(a, b)| *a + *b).collect()
}

/// `[a_bar, b_bar]`.
pub fn backward<R: Real>(dst_bar: &[R]) -> [Vec<R>; 2] {
    [dst_bar.to_vec(), dst_bar.to_vec()]
}
