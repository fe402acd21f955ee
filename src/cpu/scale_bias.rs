//! A scale and a bias per channel: `dst[.., c, ..] = x[.., c, ..] scale[c] + bias[c]`.
//!
//! Backward: `x_bar = dst_bar scale[c]`, `scale_bar[c] = sum dst_bar x`, `bias_bar[c] = sum dst_bar`, the sums over
//! everything but the channel.

use super::{Real, Rows};

/// `dst`, like `x`.
pub fn forward<R: Real>(x: &[R], scale: &[R], bias: &[R], at: &Rows) -> Vec<R> {
    at.affine(x, Some(scale), Some(bias))
}

/// `[x_bar, scale_bar, bias_bar]`.
pub fn backward<R: Real>(x: &[R], scale: &[R], dst_bar: &[R], at: &Rows) -> Vec<Vec<R>> {
    let mut all = vec![at.weighted(dst_bar, Some(scale))];
    all.extend(at.parameter_bars(x, dst_bar, true, true));
    all
}
