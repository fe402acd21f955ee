//! Normalisation of some heads of a token by the root of the mean square of their channels,
//! ```text
//! dst = x r,   r = 1 / sqrt(mean x^2 + eps)   for the first heads,   dst = x   for the others
//! ```
//! Queries and keys of unit mean square keep the scores of attention within `sqrt(dim)`. Source: Henry et al. 2020
//! ("query-key normalisation"), here with the mean square and without a weight, as in the attractor models. Rotations
//! of the channels keep `r`, so that it is no matter which comes first.
//!
//! Backward: as for [`norm_rms`], or the output's cotangent.

use super::norm_rms;
use super::{Over, Real, Rows};

/// Which heads of `[.., heads, dim]` are normalised.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heads {
    /// Tokens times heads.
    pub rows: usize,
    /// Heads of a token.
    pub heads: usize,
    /// How many of them, from the first, are normalised.
    pub normed: usize,
    /// Channels of a head.
    pub dim: usize,
}

impl Heads {
    fn all(&self) -> Rows {
        Rows { outer: self.rows, channels: self.dim, inner: 1, over: Over::Channels }
    }

    /// `changed` in the heads that are normalised, `kept` in the others.
    fn choose<R: Real>(&self, changed: &[R], kept: &[R]) -> Vec<R> {
        let normed = |e: usize| e / self.dim % self.heads < self.normed;
        changed.iter().zip(kept).enumerate().map(|(e, (c, k))| if normed(e) { *c } else { *k }).collect()
    }
}

/// `dst`, like `x`.
pub fn forward<R: Real>(x: &[R], at: &Heads, eps: f64) -> Vec<R> {
    at.choose(&norm_rms::forward(x, None, &at.all(), eps), x)
}

/// `x_bar`.
pub fn backward<R: Real>(x: &[R], dst_bar: &[R], at: &Heads, eps: f64) -> Vec<R> {
    at.choose(&norm_rms::backward(x, None, dst_bar, &at.all(), eps)[0], dst_bar)
}
