//! Normalisation by the root of the mean square over the channels of one position,
//! ```text
//! dst = h weight[c],   h = x r,   r = 1 / sqrt(mean x^2 + eps)
//! ```
//! Source: Zhang and Sennrich 2019, equation 4, with `eps` as PyTorch has it.
//!
//! Backward, with `g = dst_bar weight` and means over the channels: `dr/dx = - r^2 h / n`, hence
//! `x_bar = r (g - h mean(g h))`; `weight_bar = sum dst_bar h` over everything but the channel.

use super::{Real, Rows};

fn normalized<R: Real>(x: &[R], at: &Rows, eps: f64) -> (Vec<R>, Vec<R>) {
    let squares = at.means(&x.iter().map(|v| *v * *v).collect::<Vec<_>>());
    at.normalized(x, &squares, eps)
}

/// `dst`, like `x`.
pub fn forward<R: Real>(x: &[R], weight: Option<&[R]>, at: &Rows, eps: f64) -> Vec<R> {
    at.weighted(&normalized(x, at, eps).0, weight)
}

/// `[x_bar, weight_bar]`, the latter if there is a weight.
pub fn backward<R: Real>(x: &[R], weight: Option<&[R]>, dst_bar: &[R], at: &Rows, eps: f64) -> Vec<Vec<R>> {
    let (h, r) = normalized(x, at, eps);
    let mut all = vec![at.pulled(&at.weighted(dst_bar, weight), &h, &r, false)];
    all.extend(at.parameter_bars(&h, dst_bar, weight.is_some(), false));
    all
}
