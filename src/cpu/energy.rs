//! Energy of a coupled state per sample, from `x`, the drive `y = J x + c` and `c` (all external fields,
//! the biases of `J` counted in).
//! ```text
//! published:  e = - sum x . y
//! paper:      e = - 1/2 sum x . (J x) - sum c . x  =  - 1/2 sum x . (y + c)
//! ```
//! Source: AKOrN equation 3 (paper) and its code (published), whose pair term is not halved.
//!
//! Backward, `g` the cotangent of a sample's energy: published `x_bar = -g y, y_bar = -g x, c_bar = 0`;
//! paper `x_bar = -g/2 (y + c), y_bar = c_bar = -g/2 x`.

use super::Real;

/// Which sum is called the energy.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Convention {
    /// `- sum x . y`, as the published code computes it. Takes no `c`.
    Published,
    /// `- 1/2 sum x . J x - sum c . x`, as the paper defines it: never rises under a step with symmetric `J`,
    /// no rotation and a small step.
    Paper,
}

/// Energies `[samples]`; `x`, `y` (and for the paper's convention `c`) hold `samples` equal runs.
pub fn forward<R: Real>(x: &[R], y: &[R], c: Option<&[R]>, samples: usize) -> Vec<R> {
    let run = x.len() / samples.max(1);
    (0..samples)
        .map(|b| {
            let at = b * run..(b + 1) * run;
            match c {
                None => -R::dot(&x[at.clone()], &y[at]),
                Some(c) => R::exact(-0.5) * R::sum(at.map(|i| x[i] * (y[i] + c[i]))),
            }
        })
        .collect()
}

/// `[x_bar, y_bar]`, and `c_bar` in the paper's convention.
pub fn backward<R: Real>(x: &[R], y: &[R], c: Option<&[R]>, energy_bar: &[R]) -> Vec<Vec<R>> {
    let run = x.len() / energy_bar.len().max(1);
    let g = |i: usize| energy_bar[i / run];
    match c {
        None => vec![(0..x.len()).map(|i| -(g(i) * y[i])).collect(), (0..x.len()).map(|i| -(g(i) * x[i])).collect()],
        Some(c) => {
            let half = R::exact(-0.5);
            let y_bar: Vec<R> = (0..x.len()).map(|i| half * g(i) * x[i]).collect();
            vec![(0..x.len()).map(|i| half * g(i) * (y[i] + c[i])).collect(), y_bar.clone(), y_bar]
        }
    }
}
