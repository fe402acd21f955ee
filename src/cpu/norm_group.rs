//! Group normalisation: mean and biased variance over the channels of a group and all positions of one sample,
//! ```text
//! dst = (x - mean) / sqrt(variance + eps) weight[c] + bias[c]
//! ```
//! Source: Wu and He 2018, equations 1 and 2; in AKOrN on the stimulus, a group per oscillator. The derivation of the
//! backward pass stands in `rows.rs`.

use super::{Real, Rows};

/// `dst`, like `x`.
pub fn forward<R: Real>(x: &[R], weight: Option<&[R]>, bias: Option<&[R]>, at: &Rows, eps: f64) -> Vec<R> {
    let found = at.statistics(x);
    let (h, _) = at.normalized(&found.deviation, &found.variance, eps);
    at.affine(&h, weight, bias)
}

/// `[x_bar, weight_bar, bias_bar]`, the latter two if the operands are there.
pub fn backward<R: Real>(
    x: &[R],
    weight: Option<&[R]>,
    has_bias: bool,
    dst_bar: &[R],
    at: &Rows,
    eps: f64,
) -> Vec<Vec<R>> {
    let found = at.statistics(x);
    let (h, r) = at.normalized(&found.deviation, &found.variance, eps);
    let mut all = vec![at.pulled(&at.weighted(dst_bar, weight), &h, &r, true)];
    all.extend(at.parameter_bars(&h, dst_bar, weight.is_some(), has_bias));
    all
}
