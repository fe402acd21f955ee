//! What one evaluation `F = f(y)` of a fixed-point iteration tells, per sample: the pair `F`, `G = F - y` for the ring,
//! and the sums
//! ```text
//! |G|², |F|², how many F_e or y_e are beyond, how many y_e differ from the anchor's, <G, G_i> for the slots i of the ring
//! ```
//! that [`solve_judge`](super::solve_judge) decides by; in a secant method's ring the `G_i` before the newest are its steps.
//! Source of the residual and of the Gram matrix: Walker and Ni 2011 (Anderson acceleration, type II).
//!
//! An element is *beyond* if it is NaN, infinite or at least 2⁵⁰; `F_e` is replaced by `y_e` there and `y_e` by 0. The
//! sums of squares of up to 2²⁷ smaller elements fit f32.

use super::{Real, Window};

/// Sums per sample before the inner products.
pub const SUMS: usize = 4;

/// The least size of an element that counts as not finite.
const BEYOND: f64 = (1u64 << 50) as f64;

/// The ring with the newest pair, `[2, window, samples, len]`, and the sums `[samples, 4 + window]`.
pub fn forward<R: Real>(y: &[R], f: &[R], kept: &[R], ring: &[R], at: &Window) -> [Vec<R>; 2] {
    let plane = at.samples * at.len;
    let residuals = at.window * plane;
    let mut ring = ring.to_vec();
    let mut sums = Vec::with_capacity(at.samples * (SUMS + at.window));
    for b in 0..at.samples {
        let sample = b * at.len..(b + 1) * at.len;
        let is_beyond = |v: R| v.value().is_nan() || v.value().abs() >= BEYOND;
        for e in sample.clone() {
            let old = if is_beyond(y[e]) { R::zero() } else { y[e] };
            let mapped = if is_beyond(f[e]) { old } else { f[e] };
            ring[at.slot * plane + e] = mapped;
            ring[residuals + at.slot * plane + e] = mapped - old;
        }
        let of = |start: usize| &ring[start + b * at.len..start + (b + 1) * at.len];
        let (mapped, g) = (of(at.slot * plane), of(residuals + at.slot * plane));
        let beyond = sample.clone().filter(|e| is_beyond(f[*e]) || is_beyond(y[*e])).count();
        let moved = sample.filter(|e| y[*e].value().to_bits() != kept[plane + e].value().to_bits()).count();
        sums.extend([R::dot(g, g), R::dot(mapped, mapped), R::exact(beyond as f64), R::exact(moved as f64)]);
        sums.extend((0..at.window).map(|i| match i < at.dots() {
            true => R::dot(of(residuals + i * plane), g),
            false => R::zero(),
        }));
    }
    [ring, sums]
}
