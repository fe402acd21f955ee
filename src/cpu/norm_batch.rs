//! Batch normalisation in training: mean and biased variance over samples and positions per channel,
//! ```text
//! dst = (x - mean) / sqrt(variance + eps) weight[c] + bias[c]
//! ```
//! Source: Ioffe and Szegedy 2015, algorithm 1. Mean and variance are outputs, for running averages.
//!
//! Backward: what `rows.rs` derives for `dst`, and for the statistics over `n` elements `d mean/dx = 1/n` and
//! `d variance/dx = 2 (x - mean) / n` (the mean's own derivative drops out, as deviations add up to zero):
//! `x_bar += mean_bar / n + (x - mean) 2 variance_bar / n`.

use super::{Real, Rows};

/// `[dst, mean, variance]`.
pub fn forward<R: Real>(x: &[R], weight: Option<&[R]>, bias: Option<&[R]>, at: &Rows, eps: f64) -> Vec<Vec<R>> {
    let found = at.statistics(x);
    let (h, _) = at.normalized(&found.deviation, &found.variance, eps);
    vec![at.affine(&h, weight, bias), found.mean, found.variance]
}

/// `[x_bar, weight_bar, bias_bar]`, the latter two if the operands are there; `bars` are the cotangents of the outputs.
pub fn backward<R: Real>(
    x: &[R],
    weight: Option<&[R]>,
    has_bias: bool,
    bars: &[&[R]],
    at: &Rows,
    eps: f64,
) -> Vec<Vec<R>> {
    let (dst_bar, mean_bar, variance_bar) = (bars[0], bars[1], bars[2]);
    let found = at.statistics(x);
    let (h, r) = at.normalized(&found.deviation, &found.variance, eps);
    let mut x_bar = at.pulled(&at.weighted(dst_bar, weight), &h, &r, true);
    let n = at.len().max(1) as f64;
    for (e, bar) in x_bar.iter_mut().enumerate() {
        let c = at.row(e);
        let statistics =
            mean_bar[c] * R::constant(1.0 / n) + found.deviation[e] * (variance_bar[c] * R::constant(2.0 / n));
        *bar = *bar + statistics;
    }
    let mut all = vec![x_bar];
    all.extend(at.parameter_bars(&h, dst_bar, weight.is_some(), has_bias));
    all
}
