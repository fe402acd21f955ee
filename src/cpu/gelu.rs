//! `dst = x Phi(x)` with the normal distribution function `Phi(x) = erfc(-x / √2) / 2`. Source: Hendrycks and Gimpel
//! 2016, equation 1.
//!
//! Backward: `x_bar = dst_bar (Phi(x) + x phi(x))` with the density `phi(x) = exp(-x²/2) / √(2π)`.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use super::Real;

fn distribution<R: Real>(x: R) -> R {
    R::exact(0.5) * R::erfc(R::constant(-FRAC_1_SQRT_2) * x)
}

fn density<R: Real>(x: R) -> R {
    R::constant(0.5 * FRAC_1_SQRT_2 * FRAC_2_SQRT_PI) * (R::exact(-0.5) * x * x).exp()
}

/// `x Phi(x)`.
pub fn forward<R: Real>(x: &[R]) -> Vec<R> {
    x.iter().map(|x| *x * distribution(*x)).collect()
}

/// `x_bar`.
pub fn backward<R: Real>(x: &[R], dst_bar: &[R]) -> Vec<R> {
    x.iter().zip(dst_bar).map(|(x, g)| *g * (distribution(*x) + *x * density(*x))).collect()
}
