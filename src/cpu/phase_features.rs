//! `dst = [cos θ, sin θ]` along the channels: what linear maps can read of angles.
//!
//! Backward: `θ_bar = sin_bar cos θ - cos_bar sin θ`.

use super::{Channels, Real};

/// `dst`, twice the channels; `at` are those of `theta`.
pub fn forward<R: Real>(theta: &[R], at: &Channels) -> Vec<R> {
    let both = Channels { channels: 2 * at.channels, ..*at };
    let mut dst = vec![R::zero(); 2 * theta.len()];
    for p in 0..at.positions() {
        for c in 0..at.channels {
            let (sin, cos) = theta[at.index(p, c)].sin_cos();
            dst[both.index(p, c)] = cos;
            dst[both.index(p, at.channels + c)] = sin;
        }
    }
    dst
}

/// `theta_bar`.
pub fn backward<R: Real>(theta: &[R], dst_bar: &[R], at: &Channels) -> Vec<R> {
    let both = Channels { channels: 2 * at.channels, ..*at };
    let mut theta_bar = vec![R::zero(); theta.len()];
    for p in 0..at.positions() {
        for c in 0..at.channels {
            let (sin, cos) = theta[at.index(p, c)].sin_cos();
            let (cos_bar, sin_bar) = (dst_bar[both.index(p, c)], dst_bar[both.index(p, at.channels + c)]);
            theta_bar[at.index(p, c)] = sin_bar * cos - cos_bar * sin;
        }
    }
    theta_bar
}
