//! How a diagonal linear system that decays by construction is stepped: with a rate `A = exp(log_rate) > 0` and a time
//! step `dt = softplus(raw_step) > 0`,
//! ```text
//! keep = exp(-dt A),   step = dt,   so that x' = keep x + step u
//! ```
//! has `0 < keep < 1` for every value of the parameters. Source: the injection of the looped model Parcae, as its
//! published implementation has it; the exact solution of `dx/dt = -A x` over `dt`, with an Euler step for the input.
//!
//! Backward: `d keep / d log_rate = -keep dt A`, `d keep / d dt = -keep A`, `d dt / d raw_step = s(raw_step)` with the
//! logistic function `s`.

use super::Real;
use super::silu::logistic;

/// `[dt, A, keep]`.
fn parts<R: Real>(log_rate: R, raw_step: R) -> [R; 3] {
    let e = (-raw_step.abs()).exp();
    let dt = raw_step.max(R::zero()) + (R::exact(1.0) + e).ln();
    let rate = log_rate.exp();
    [dt, rate, (-(dt * rate)).exp()]
}

/// `[keep, step]`.
pub fn forward<R: Real>(log_rate: &[R], raw_step: &[R]) -> [Vec<R>; 2] {
    let all: Vec<[R; 3]> = log_rate.iter().zip(raw_step).map(|(l, r)| parts(*l, *r)).collect();
    [all.iter().map(|[_, _, keep]| *keep).collect(), all.iter().map(|[dt, _, _]| *dt).collect()]
}

/// `[log_rate_bar, raw_step_bar]`.
pub fn backward<R: Real>(log_rate: &[R], raw_step: &[R], keep_bar: &[R], step_bar: &[R]) -> [Vec<R>; 2] {
    let (mut log_rate_bar, mut raw_step_bar) = (Vec::new(), Vec::new());
    for (i, (l, r)) in log_rate.iter().zip(raw_step).enumerate() {
        let [dt, rate, keep] = parts(*l, *r);
        let k = keep_bar[i] * keep;
        log_rate_bar.push(-(k * (dt * rate)));
        raw_step_bar.push((step_bar[i] - k * rate) * logistic(*r)[0]);
    }
    [log_rate_bar, raw_step_bar]
}
