//! The exponential moving average `average = decay · average + (1 - decay) · x`, and the published schedule of its decay:
//! ```text
//! decay(step) = clamp(1 - (1 + max(step - start - 1, 0))^(-2/3), 0, max_decay)
//! ```
//! Source: the training scripts of AKOrN, which use the package `ema_pytorch`.

use super::Real;

/// The next average.
pub fn forward<R: Real>(average: &[R], x: &[R], decay: f64) -> Vec<R> {
    let (keep, rest) = (R::constant(decay), R::constant(1.0 - decay));
    average.iter().zip(x).map(|(a, x)| keep * *a + rest * *x).collect()
}

/// The decay at `step`, counted from 1.
pub fn warmup_decay(step: u32, start: u32, max_decay: f64) -> f64 {
    let age = f64::from(step) - f64::from(start) - 1.0;
    (1.0 - (1.0 + age.max(0.0)).powf(-2.0 / 3.0)).clamp(0.0, max_decay)
}
