//! `dst = sum a_i b_i`. Backward: `a_bar = dst_bar b, b_bar = dst_bar a`.

use super::Real;

/// `[sum a_i b_i]`.
pub fn forward<R: Real>(a: &[R], b: &[R]) -> Vec<R> {
    vec![R::dot(a, b)]
}

/// `[a_bar, b_bar]`.
pub fn backward<R: Real>(a: &[R], b: &[R], dst_bar: R) -> [Vec<R>; 2] {
    [b, a].map(|other| other.iter().map(|v| dst_bar * *v).collect())
}
