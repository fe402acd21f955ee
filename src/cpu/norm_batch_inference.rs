//! Batch normalisation with given statistics per channel,
//! ```text
//! dst = h weight[c] + bias[c],   h = (x - mean[c]) r[c],   r = 1 / sqrt(variance + eps)
//! ```
//! Source: Ioffe and Szegedy 2015, algorithm 2.
//!
//! Backward: `x_bar = dst_bar weight r`, and with `dr/d variance = - r^3 / 2` and sums over everything but the channel
//! `mean_bar = - weight r sum dst_bar`, `variance_bar = - weight r^2 / 2 sum dst_bar h`.

use super::{Real, Rows};

fn normalized<R: Real>(x: &[R], mean: &[R], variance: &[R], at: &Rows, eps: f64) -> (Vec<R>, Vec<R>) {
    let deviation: Vec<R> = x.iter().enumerate().map(|(e, v)| *v - mean[at.channel(e)]).collect();
    at.normalized(&deviation, variance, eps)
}

/// `dst`, like `x`; `statistics` are mean and variance.
pub fn forward<R: Real>(
    x: &[R],
    statistics: [&[R]; 2],
    weight: Option<&[R]>,
    bias: Option<&[R]>,
    at: &Rows,
    eps: f64,
) -> Vec<R> {
    let (h, _) = normalized(x, statistics[0], statistics[1], at, eps);
    at.affine(&h, weight, bias)
}

/// `[x_bar, mean_bar, variance_bar, weight_bar, bias_bar]`, the latter two if the operands are there.
pub fn backward<R: Real>(
    x: &[R],
    statistics: [&[R]; 2],
    weight: Option<&[R]>,
    has_bias: bool,
    dst_bar: &[R],
    at: &Rows,
    eps: f64,
) -> Vec<Vec<R>> {
    let (h, r) = normalized(x, statistics[0], statistics[1], at, eps);
    let weighted = at.weighted(dst_bar, weight);
    let x_bar = weighted.iter().enumerate().map(|(e, g)| *g * r[at.channel(e)]).collect();
    let along: Vec<R> = weighted.iter().zip(&h).map(|(g, h)| *g * *h).collect();
    let (sums, along) = (at.channel_sums(&weighted), at.channel_sums(&along));
    let mean_bar = sums.iter().zip(&r).map(|(sum, r)| -(*sum * *r)).collect();
    let variance_bar = along.iter().zip(&r).map(|(sum, r)| R::exact(-0.5) * (*sum * (*r * *r))).collect();
    let mut all = vec![x_bar, mean_bar, variance_bar];
    all.extend(at.parameter_bars(&h, dst_bar, weight.is_some(), has_bias));
    all
}
