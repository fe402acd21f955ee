//! The field on each query's oscillator, `h_i = sum_j W_ij a_j` with `W_ij = c(z_ij)`, `z_ij = q_i . k_j / sqrt(d)` over
//! the keys that query `i` sees, and fixed anchors `a_j`, one per position and head. Source: fixed-query oscillator
//! attention (arXiv 2606.12059) and its code.
//!
//! `c` is `softplus`, `relu + 1e-3` or `elu + 1`. With `e = exp(-|z|)` and `s = e / (2 + e) <= 1/3`,
//! ```text
//! softplus(z) = max(z, 0) + ln(1 + e),   ln(1 + e) = 2 artanh(s) = 2 (s + s³/3 + s⁵/5 + ..)
//! ```
//! All terms are positive, so the sum is relatively as exact as `e`, where `ln(1 + e)` as written loses what `1 + e` rounds
//! away. The shader stops after `s^15/15`; what it leaves out is below `s^17/17 / (1 - 1/9)`, at `s = 1/3` 5e-10, which is
//! 2^-28.9 of the leading term. The reference sums 20 terms (3e-20 left) and lets a factor 1, rounded once, stand for that.
//!
//! Backward: `W_bar_ij = h_bar_i . a_j`, `z_bar_ij = c'(z_ij) W_bar_ij`,
//! ```text
//! q_bar_i = sum_j z_bar_ij k_j / sqrt(d)    k_bar_j = sum_i z_bar_ij q_i / sqrt(d)    a_bar_j = sum over samples, i of W_ij h_bar_i
//! ```
//! with the slopes `1 / (1 + exp(-z))`, `[z > 0]` and `[z > 0] + [z <= 0] exp(z)`.

use super::Real;
use super::silu::logistic;

/// How a score couples; never negative.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum AnchorCoupling {
    /// `ln(1 + exp(z))`, the published choice.
    #[default]
    Softplus,
    /// `max(z, 0) + 1e-3`.
    Relu,
    /// `elu(z) + 1`.
    Elu,
}

impl AnchorCoupling {
    /// `c(z)`.
    pub fn value<R: Real>(self, z: R) -> R {
        let positive = z.value() > 0.0;
        let ramp = positive_part(z);
        match self {
            AnchorCoupling::Softplus => ramp + ln_1p((-z.abs()).exp()),
            AnchorCoupling::Relu => ramp + R::constant(1e-3),
            AnchorCoupling::Elu if positive => z + R::exact(1.0),
            AnchorCoupling::Elu => z.exp(),
        }
    }

    /// `c'(z)`.
    pub fn slope<R: Real>(self, z: R) -> R {
        let positive = z.value() > 0.0;
        match self {
            AnchorCoupling::Softplus => logistic(z)[0],
            AnchorCoupling::Relu => R::exact(f64::from(u8::from(positive))),
            AnchorCoupling::Elu if positive => R::exact(1.0),
            AnchorCoupling::Elu => z.exp(),
        }
    }
}

/// `max(z, 0)`. Below zero the value is 0 with twice the error of `z`: a device may be on the other side.
pub(super) fn positive_part<R: Real>(z: R) -> R {
    if z.value() > 0.0 { z } else { z + -z }
}

/// `ln(1 + e)` for `e` from 0 to 1.
fn ln_1p<R: Real>(e: R) -> R {
    let s = e / (R::exact(2.0) + e);
    let t = s * s;
    let series = (0..20).rev().fold(R::zero(), |sum, n| sum * t + R::constant(1.0 / f64::from(2 * n + 1)));
    R::exact(2.0) * s * series * R::constant(1.0)
}

/// Extents of an attention over anchors. q, k, v are `[batch, tokens, heads * dim]`, head `h` owning channels `h dim ..`;
/// fields and oscillators are `[batch, heads, tokens, n]`, anchors `[heads, positions, n]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heads {
    /// Samples.
    pub batch: usize,
    /// Tokens of a sample.
    pub tokens: usize,
    /// Heads.
    pub heads: usize,
    /// Channels of a head.
    pub dim: usize,
    /// Components of an oscillator.
    pub n: usize,
    /// Positions that have an anchor, at least `tokens`.
    pub positions: usize,
    /// Whether keys past the query are left out.
    pub causal: bool,
}

impl Heads {
    /// Queries of all samples and heads: pairs of row and `[batch, head, token]`.
    pub(super) fn queries(&self) -> impl Iterator<Item = (usize, [usize; 3])> + use<> {
        let (tokens, heads) = (self.tokens, self.heads);
        (0..self.batch * heads * tokens)
            .map(move |row| (row, [row / tokens / heads, row / tokens % heads, row % tokens]))
    }

    /// Where the channels of a head lie.
    pub(super) fn channels(&self, b: usize, head: usize, token: usize) -> std::ops::Range<usize> {
        let first = ((b * self.tokens + token) * self.heads + head) * self.dim;
        first..first + self.dim
    }

    /// Where the anchor of a position lies.
    pub(super) fn anchor(&self, head: usize, token: usize) -> std::ops::Range<usize> {
        let first = (head * self.positions + token) * self.n;
        first..first + self.n
    }

    /// The keys that a query sees; those from `lengths[b]` on are padding.
    pub(super) fn keys<R: Real>(&self, lengths: Option<&[R]>, b: usize, token: usize) -> std::ops::Range<usize> {
        let end = if self.causal { token + 1 } else { self.tokens };
        0..lengths.map_or(end, |lengths| end.min(lengths[b].value() as usize))
    }
}

/// `[batch, heads, tokens, n]`: the fields.
pub fn forward<R: Real>(
    [q, k, anchors]: [&[R]; 3],
    lengths: Option<&[R]>,
    coupling: AnchorCoupling,
    at: &Heads,
) -> Vec<R> {
    let scale = R::constant(1.0 / (at.dim as f64).sqrt());
    let mut field = Vec::with_capacity(at.batch * at.heads * at.tokens * at.n);
    for (_, [b, head, i]) in at.queries() {
        let query = &q[at.channels(b, head, i)];
        let weight = |j| coupling.value(R::dot(query, &k[at.channels(b, head, j)]) * scale);
        let weights: Vec<(usize, R)> = at.keys(lengths, b, i).map(|j| (j, weight(j))).collect();
        for c in 0..at.n {
            field.push(R::sum(weights.iter().map(|(j, w)| *w * anchors[at.anchor(head, *j)][c])));
        }
    }
    field
}

/// Cotangents of q, k and the anchors.
pub fn backward<R: Real>(
    [q, k, anchors]: [&[R]; 3],
    lengths: Option<&[R]>,
    field_bar: &[R],
    coupling: AnchorCoupling,
    at: &Heads,
) -> [Vec<R>; 3] {
    let scale = R::constant(1.0 / (at.dim as f64).sqrt());
    let mut terms = [vec![vec![]; q.len()], vec![vec![]; k.len()], vec![vec![]; anchors.len()]];
    for (row, [b, head, i]) in at.queries() {
        let (own, g) = (at.channels(b, head, i), &field_bar[row * at.n..][..at.n]);
        for j in at.keys(lengths, b, i) {
            let (key, anchor) = (at.channels(b, head, j), at.anchor(head, j));
            let z = R::dot(&q[own.clone()], &k[key.clone()]) * scale;
            let z_bar = R::dot(g, &anchors[anchor.clone()]) * coupling.slope(z);
            for (at_q, at_k) in own.clone().zip(key) {
                terms[0][at_q].push(z_bar * k[at_k]);
                terms[1][at_k].push(z_bar * q[at_q]);
            }
            let w = coupling.value(z);
            for (at_a, g) in anchor.zip(g) {
                terms[2][at_a].push(w * *g);
            }
        }
    }
    let [q_terms, k_terms, a_terms] = terms;
    let sums = |terms: Vec<Vec<R>>| terms.into_iter().map(R::sum).collect::<Vec<R>>();
    let scaled = |terms| sums(terms).into_iter().map(|sum| sum * scale).collect();
    [scaled(q_terms), scaled(k_terms), sums(a_terms)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::Bound;

    #[test]
    fn softplus_is_exact_in_the_tail() {
        for z in [-700.0, -40.0, -15.0, -1.0, -1e-9, 0.0, 1e-9, 0.3, 2.0, 40.0, 700.0f64] {
            let wanted = z.max(0.0) + (-z.abs()).exp().ln_1p();
            let got = AnchorCoupling::Softplus.value(z);
            assert!((got / wanted - 1.0).abs() < 1e-15, "softplus({z}) is {got:e}, {wanted:e} wanted");
        }
    }

    /// The shader's text in f32, with the host's exponential.
    #[test]
    fn the_bound_covers_the_shader_in_f32() {
        let mut worst = [0.0f64; 2];
        for i in -40_000..40_000 {
            let z = i as f32 * 5e-4;
            let e = (-z.abs()).exp();
            let s = e / (2.0 + e);
            let t = s * s;
            let sum = [15.0f32, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0].iter().fold(0.0, |sum, n| sum * t + 1.0 / n);
            let got = f64::from(z.max(0.0) + 2.0 * s * sum);
            let want = AnchorCoupling::Softplus.value(Bound::exact(f64::from(z)));
            for (worst, error) in worst.iter_mut().zip(want.error) {
                *worst = worst.max((got - want.value).abs() / error);
            }
        }
        assert!(worst[0] <= worst[1] && worst[1] <= 1.0 && worst[1] > 0.05, "{worst:?}");
    }
}
