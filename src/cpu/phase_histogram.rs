//! Histogram of phases: how many of a sample's wrapped phases are in each of `K` equal bins,
//! ```text
//! counts[b, k] = #{ i : -π + 2π k / K <= wrap(θ[b, i]) < -π + 2π (k + 1) / K }
//! ```
//! where the last bin also has what rounding puts at `π` or beyond, and the first what it puts below `-π`.

use std::f64::consts::{PI, TAU};

use super::Real;

/// `counts [samples, bins]` of `theta [samples, nodes]`.
pub fn forward<R: Real>(theta: &[R], [samples, nodes]: [usize; 2], bins: usize) -> Vec<R> {
    let scale = R::constant(bins as f64 / TAU);
    let place = |theta: &R| (theta.wrap() + R::constant(PI)) * scale;
    let from = |x: R, k: usize| (x - R::exact(k as f64)).heaviside();
    let within = |x: R, k: usize| match (k == 0, k + 1 == bins) {
        (true, true) => R::exact(1.0),
        (true, false) => R::exact(1.0) - from(x, k + 1),
        (false, true) => from(x, k),
        (false, false) => from(x, k) - from(x, k + 1),
    };
    let mut counts = Vec::with_capacity(samples * bins);
    for b in 0..samples {
        let places: Vec<R> = theta[b * nodes..(b + 1) * nodes].iter().map(place).collect();
        counts.extend((0..bins).map(|k| R::sum(places.iter().map(|x| within(*x, k)))));
    }
    counts
}
