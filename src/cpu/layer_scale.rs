//! A residual branch behind a gate per channel, `dst = x + limit s(raw[c]) y` with the logistic function `s`. Source:
//! LayerScale (Touvron et al. 2021, equation 2), here with a gate between 0 and `limit` as in the attractor models
//! (arXiv 2605.12466).
//!
//! Backward: `x_bar = dst_bar`, `y_bar = limit s(raw[c]) dst_bar`, and since `s' = s(r) s(-r)`,
//! `raw_bar[c] = limit s(raw[c]) s(-raw[c]) sum dst_bar y` over everything but the channel.

use super::silu::logistic;
use super::{Real, Rows};

/// `dst`, like `x`.
pub fn forward<R: Real>(x: &[R], y: &[R], raw: &[R], at: &Rows, limit: f32) -> Vec<R> {
    let gates = gates(raw, limit);
    x.iter().zip(y).enumerate().map(|(e, (x, y))| *x + gates[at.channel(e)] * *y).collect()
}

/// `[x_bar, y_bar, raw_bar]`.
pub fn backward<R: Real>(y: &[R], raw: &[R], dst_bar: &[R], at: &Rows, limit: f32) -> Vec<Vec<R>> {
    let gates = gates(raw, limit);
    let y_bar = dst_bar.iter().enumerate().map(|(e, g)| gates[at.channel(e)] * *g).collect();
    let products: Vec<R> = dst_bar.iter().zip(y).map(|(g, y)| *g * *y).collect();
    let slopes = raw.iter().zip(&gates).map(|(raw, gate)| *gate * logistic(*raw)[1]);
    let raw_bar = slopes.zip(at.channel_sums(&products)).map(|(slope, sum)| slope * sum).collect();
    vec![dst_bar.to_vec(), y_bar, raw_bar]
}

fn gates<R: Real>(raw: &[R], limit: f32) -> Vec<R> {
    raw.iter().map(|raw| R::exact(limit.into()) * logistic(*raw)[0]).collect()
}
