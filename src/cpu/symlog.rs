//! `dst = sign(x) ln(1 + |x|)`: the identity near 0, a logarithm of either sign far from it. Beyond 1 it is
//! `ln(1 + 1/x) + ln x`, because the series of the first is one for `[0, 1]`.
//!
//! Of logits it makes a softmax one whose weights are `1 + x` for `x >= 0` and `1 / (1 - x)` below: the "stablemax" of
//! Prieto et al. 2025 (arXiv 2501.04697). Backward: `x_bar = dst_bar / (1 + |x|)`.

use super::Real;

/// `sign(x) ln(1 + |x|)`.
pub fn forward<R: Real>(x: &[R]) -> Vec<R> {
    let value = |x: &R| {
        let size = x.abs();
        let value = match size.value() > 1.0 {
            true => (R::exact(1.0) / size).ln_1p() + size.ln(),
            false => size.ln_1p(),
        };
        if x.value() < 0.0 { -value } else { value }
    };
    x.iter().map(value).collect()
}

/// `x_bar`.
pub fn backward<R: Real>(x: &[R], dst_bar: &[R]) -> Vec<R> {
    x.iter().zip(dst_bar).map(|(x, g)| *g / (R::exact(1.0) + x.abs())).collect()
}
