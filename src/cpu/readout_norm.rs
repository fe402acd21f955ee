//! The readout of oscillators: the norm of `n` consecutive channels and a bias per group of them,
//! ```text
//! dst[o, c, i] = |z[o, c n .. c n + n - 1, i]| + bias[c]
//! ```
//! Source: AKOrN, equation 6. It does not change when the `n` channels of a group are rotated together.
//!
//! `|v| = m sqrt(sum (v_k / m)^2)` with `m = max |v_k|`, so that nothing overflows or vanishes.
//!
//! Backward: `z_bar = dst_bar v / |v|`, and 0 where the norm is 0 (the subgradient that keeps a silent group silent);
//! `bias_bar[c] = sum dst_bar`.

use super::{Oscillators, Real};

/// A largest component below the smallest normal f32 counts as zero: devices may flush it.
const TINY: f64 = f32::MIN_POSITIVE as f64;

/// The largest component and the others divided by it; nothing for a zero vector.
fn scaled<R: Real>(v: &[R]) -> Option<(R, Vec<R>)> {
    let m = v.iter().fold(R::zero(), |m, x| m.max(x.abs()));
    (m.value() >= TINY).then(|| (m, v.iter().map(|x| *x / m).collect()))
}

/// `dst`, one element per group.
pub fn forward<R: Real>(z: &[R], bias: Option<&[R]>, at: &Oscillators) -> Vec<R> {
    let norm = |i: usize| match scaled(&at.gather(z, i)) {
        Some((m, w)) => m * R::dot(&w, &w).sqrt(),
        None => R::zero(),
    };
    let shifted = |i: usize| match bias {
        Some(bias) => norm(i) + bias[at.group(i)],
        None => norm(i),
    };
    (0..at.count()).map(shifted).collect()
}

/// `[z_bar, bias_bar]`, the latter if there is a bias.
pub fn backward<R: Real>(z: &[R], has_bias: bool, dst_bar: &[R], at: &Oscillators) -> Vec<Vec<R>> {
    let mut z_bar = vec![R::zero(); z.len()];
    let mut terms = vec![Vec::new(); at.groups];
    for (i, g) in dst_bar.iter().enumerate() {
        if let Some((_, w)) = scaled(&at.gather(z, i)) {
            let stretch = R::dot(&w, &w).inverse_sqrt();
            let bar: Vec<R> = w.iter().map(|w| *g * (*w * stretch)).collect();
            at.scatter(&mut z_bar, i, &bar);
        }
        terms[at.group(i)].push(*g);
    }
    let bias_bar = has_bias.then(|| terms.into_iter().map(R::sum).collect());
    std::iter::once(z_bar).chain(bias_bar).collect()
}
