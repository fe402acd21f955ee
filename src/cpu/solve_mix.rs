//! The next state of each sample of a fixed-point iteration,
//! ```text
//! dst = Σ α_i (F_i - (1 - β) G_i) = β Σ α_i F_i + (1 - β) Σ α_i Y_i
//! ```
//! where the sample advances, else a copy of `y`; and the best state and the anchor, replaced by `y` where the
//! coefficients of [`solve_judge`](super::solve_judge) say so. Source: Walker and Ni 2011.

use super::solve_judge::coefficients_len;
use super::{Real, Window};

/// Whether the coefficients of the sample of element `e` say that it advances (0), is the best (1), is the anchor (2).
pub(super) fn says<R: Real>(coefficients: &[R], at: &Window, e: usize, flag: usize) -> bool {
    coefficients[e / at.len * coefficients_len(at.window) + at.window + flag].value() == 1.0
}

/// The kept states `[2, samples, len]` after `y`.
pub(super) fn keep<R: Real>(y: &[R], coefficients: &[R], kept: &[R], at: &Window) -> Vec<R> {
    let plane = at.samples * at.len;
    let mut kept = kept.to_vec();
    for e in 0..plane {
        if says(coefficients, at, e, 1) {
            kept[e] = y[e];
        }
        if says(coefficients, at, e, 2) {
            kept[plane + e] = y[e];
        }
    }
    kept
}

/// The kept states `[2, samples, len]` and the next ones `[samples, len]`; `rest` is `1 - β`.
pub fn forward<R: Real>(y: &[R], coefficients: &[R], ring: &[R], kept: &[R], at: &Window, rest: f64) -> [Vec<R>; 2] {
    let plane = at.samples * at.len;
    let (kept, mut dst) = (keep(y, coefficients, kept, at), y.to_vec());
    let rest = R::constant(rest);
    for e in 0..plane {
        let c = e / at.len * coefficients_len(at.window);
        if says(coefficients, at, e, 0) {
            dst[e] = R::sum(
                (0..at.filled)
                    .map(|s| coefficients[c + s] * (ring[s * plane + e] - rest * ring[(at.window + s) * plane + e])),
            );
        }
    }
    [kept, dst]
}
