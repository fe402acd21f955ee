//! The weights `A` of [`super::kuramoto_attention`], `[batch, heads, tokens, tokens]`: for looking at, without a gradient.

use super::Real;
use super::kuramoto_attention::{Operands, Phases, features};

/// `A`; zero where a query does not see a key.
pub fn forward<R: Real>(x: &Operands<R>, at: &Phases) -> Vec<R> {
    let [q, k, ..] = features(x, at);
    let mut all = Vec::with_capacity(at.scores().rows * at.tokens);
    for row in 0..at.scores().rows {
        let (p, inverse) = at.scores().weights(&q, &k, row);
        let unseen = at.tokens - p.len();
        all.extend(p.into_iter().map(|p| p * inverse));
        all.extend(std::iter::repeat_n(R::zero(), unseen));
    }
    all
}
