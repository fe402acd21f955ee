//! The next state of each sample of a secant iteration,
//! ```text
//! step = Σ α_i r_i,   dst = y + step
//! ```
//! over the last steps `r_0 ..` and the newest residual `r_slot = G`, whose slot of the ring the step takes; a sample that
//! has ended keeps `y`. The best state and the anchor are kept as by [`solve_mix`](super::solve_mix). Source: Kelley 1995,
//! section 7.3.

use super::solve_judge::coefficients_len;
use super::solve_mix::{keep, says};
use super::{Real, Window};

/// The ring `[2, window, samples, len]`, the kept states `[2, samples, len]` and the next ones `[samples, len]`.
pub fn forward<R: Real>(y: &[R], coefficients: &[R], ring: &[R], kept: &[R], at: &Window) -> [Vec<R>; 3] {
    let plane = at.samples * at.len;
    let (mut ring, kept, mut dst) = (ring.to_vec(), keep(y, coefficients, kept, at), y.to_vec());
    for e in 0..plane {
        let c = e / at.len * coefficients_len(at.window);
        if says(coefficients, at, e, 0) {
            let own = |s: usize| (at.window + s) * plane + e;
            let step = R::sum((0..=at.slot).map(|s| coefficients[c + s] * ring[own(s)]));
            ring[own(at.slot)] = step;
            dst[e] = y[e] + step;
        }
    }
    [ring, kept, dst]
}
