//! The next state of each sample of a fixed-point iteration,
//! ```text
//! dst = Σ α_i (F_i - (1 - β) G_i) = β Σ α_i F_i + (1 - β) Σ α_i Y_i
//! ```
//! where the sample advances, else a copy of `y`; and the best state and the anchor, replaced by `y` where the
//! coefficients of [`solve_judge`](super::solve_judge) say so. Source: Walker and Ni 2011.

use super::solve_judge::coefficients_len;
use super::{Real, Window};

/// The kept states `[2, samples, len]` and the next ones `[samples, len]`; `rest` is `1 - β`.
pub fn forward<R: Real>(y: &[R], coefficients: &[R], ring: &[R], kept: &[R], at: &Window, rest: f64) -> [Vec<R>; 2] {
    let plane = at.samples * at.len;
    let (mut kept, mut dst) = (kept.to_vec(), y.to_vec());
    let rest = R::constant(rest);
    for e in 0..plane {
        let c = e / at.len * coefficients_len(at.window);
        let says = |flag: usize| coefficients[c + at.window + flag].value() == 1.0;
        if says(1) {
            kept[e] = y[e];
        }
        if says(2) {
            kept[plane + e] = y[e];
        }
        if says(0) {
            dst[e] = R::sum(
                (0..at.filled)
                    .map(|s| coefficients[c + s] * (ring[s * plane + e] - rest * ring[(at.window + s) * plane + e])),
            );
        }
    }
    [kept, dst]
}
