//! `dst = ln(1 + exp(x))`, written `max(x, 0) + ln(1 + e)` with `e = exp(-|x|)`, which is at most 1: nothing overflows, and
//! far left, where the result is `e`, no digit is lost.
//!
//! Backward: `x_bar = dst_bar s(x)` with the logistic function `s`.

use super::Real;
use super::silu::logistic;

/// `ln(1 + exp(x))`.
pub fn forward<R: Real>(x: &[R]) -> Vec<R> {
    let value = |x: &R| {
        let rest = (-x.abs()).exp().ln_1p();
        if x.value() < 0.0 { rest } else { *x + rest }
    };
    x.iter().map(value).collect()
}

/// `x_bar`.
pub fn backward<R: Real>(x: &[R], dst_bar: &[R]) -> Vec<R> {
    x.iter().zip(dst_bar).map(|(x, g)| *g * logistic(*x)[0]).collect()
}
