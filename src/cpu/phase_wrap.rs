//! `dst = x - 2π round(x / 2π)`: the representative of an angle in `[-π, π]`; close to `±π` either end may come out.
//!
//! Backward: `x_bar = dst_bar`, for the map is a shift wherever it has a slope.

use super::Real;

/// The angles, wrapped.
pub fn forward<R: Real>(x: &[R]) -> Vec<R> {
    x.iter().map(|x| x.wrap()).collect()
}

/// `x_bar`.
pub fn backward<R: Real>(dst_bar: &[R]) -> Vec<R> {
    dst_bar.to_vec()
}
