//! The stage or the end of an explicit step of any method, per sample `b` with its own step size:
//! ```text
//! dst[b, i] = x[b, i] + h[b] sum_s c_s k_s[b, i],   less the nearest multiple of 2π if it is to be wrapped
//! ```
//! Runge-Kutta and Adams-Bashforth methods are such sums (Hairer, Norsett and Wanner, Solving Ordinary Differential
//! Equations I, II.1 and III.1).
//!
//! Backward, as wrapping is a shift wherever it has a slope:
//! ```text
//! x_bar = dst_bar,   k_s_bar = c_s h[b] dst_bar,   h_bar[b] = sum_i dst_bar[b, i] sum_s c_s k_s[b, i]
//! ```

use super::Real;

/// The schemes whose stages begin at the step's start, each ahead along the rate of the one before.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ExplicitScheme {
    /// Euler's scheme.
    Euler,
    /// Heun's, of order 2.
    Heun,
    /// The classical Runge-Kutta scheme, of order 4.
    Rk4,
}

impl ExplicitScheme {
    /// Of each stage, what its rate counts for in the step, and how far ahead along it the next stage is, in steps.
    pub fn stages(self) -> &'static [[f32; 2]] {
        const SIXTH: f32 = 1.0 / 6.0;
        const THIRD: f32 = 1.0 / 3.0;
        match self {
            ExplicitScheme::Euler => &[[1.0, 0.0]],
            ExplicitScheme::Heun => &[[0.5, 1.0], [0.5, 1.0]],
            ExplicitScheme::Rk4 => &[[SIXTH, 0.5], [THIRD, 0.5], [THIRD, 1.0], [SIXTH, 0.5]],
        }
    }
}

/// `sum_s c_s k_s` at element `e`.
fn slope<R: Real>(rates: &[&[R]], coefficients: &[f32], e: usize) -> R {
    R::sum(rates.iter().zip(coefficients).map(|(k, c)| R::exact(f64::from(*c)) * k[e]))
}

/// Elements of a sample.
fn run<R>(x: &[R], h: &[R]) -> usize {
    x.len().checked_div(h.len()).unwrap_or(0)
}

/// `dst`, as long as `x`; `h` is one number per sample.
pub fn forward<R: Real>(x: &[R], rates: &[&[R]], h: &[R], coefficients: &[f32], wrap: bool) -> Vec<R> {
    let run = run(x, h);
    let moved = |(e, x): (usize, &R)| *x + h[e / run] * slope(rates, coefficients, e);
    x.iter().enumerate().map(moved).map(|moved| if wrap { moved.wrap() } else { moved }).collect()
}

/// `[x_bar, k_0_bar, .., h_bar]`.
pub fn backward<R: Real>(rates: &[&[R]], h: &[R], dst_bar: &[R], coefficients: &[f32]) -> Vec<Vec<R>> {
    let run = run(dst_bar, h);
    let mut all = vec![dst_bar.to_vec()];
    for c in coefficients {
        let c = R::exact(f64::from(*c));
        all.push(dst_bar.iter().enumerate().map(|(e, g)| c * h[e / run] * *g).collect());
    }
    let term = |e: usize| dst_bar[e] * slope(rates, coefficients, e);
    all.push((0..h.len()).map(|b| R::sum((b * run..(b + 1) * run).map(term))).collect());
    all
}
