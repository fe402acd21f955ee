//! `dst = silu(a) b`, where `a` is the first half of the channels and `b` the second. Source: Shazeer 2020, equation 5.
//!
//! Backward: `a_bar = dst_bar b silu'(a), b_bar = dst_bar silu(a)`.

use super::silu::{slope, value};
use super::{Channels, Real};

/// `dst`; `at` are the channels of `dst`, half of those of `x`.
pub fn forward<R: Real>(x: &[R], at: &Channels) -> Vec<R> {
    let both = Channels { channels: 2 * at.channels, ..*at };
    let mut dst = vec![R::zero(); x.len() / 2];
    for p in 0..at.positions() {
        for c in 0..at.channels {
            dst[at.index(p, c)] = value(x[both.index(p, c)]) * x[both.index(p, at.channels + c)];
        }
    }
    dst
}

/// `x_bar`.
pub fn backward<R: Real>(x: &[R], dst_bar: &[R], at: &Channels) -> Vec<R> {
    let both = Channels { channels: 2 * at.channels, ..*at };
    let mut x_bar = vec![R::zero(); x.len()];
    for p in 0..at.positions() {
        for c in 0..at.channels {
            let (i, j) = (both.index(p, c), both.index(p, at.channels + c));
            let g = dst_bar[at.index(p, c)];
            x_bar[i] = g * x[j] * slope(x[i]);
            x_bar[j] = g * value(x[i]);
        }
    }
    x_bar
}
