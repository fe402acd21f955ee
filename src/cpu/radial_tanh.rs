//! `phi(z) = tanh(r) / r z` with `r = |z|`, for the `k` components of every neuron: the activation that commutes with
//! every rotation and reflection of `z`. Source: arXiv 2605.14685.
//!
//! Near 0 it is the power series `a(s) z` in `s = r²`, nine terms of `tanh(r) / r = 1 - s/3 + 2 s²/15 - ...`; below
//! `r = 0.2` the first one left out is 6e-17. From there on `tanh(r) = (1 - e) / (1 + e)` with `e = exp(-2 r)`, which does
//! not overflow and is relatively accurate; a built-in `tanh` is promised to 1e-5 only. Which of the two is decided by the
//! largest component, which no device rounds. Components are scaled by the largest one where that is above 1.
//!
//! Backward, with `g = dst_bar`, `u = z / r`, `t = tanh(r)`: `d phi = (t / r) (dz - u (u . dz)) + (1 - t²) u (u . dz)`, a
//! symmetric map, so
//! ```text
//! z_bar = (t / r) g + (1 - t² - t / r) (g . u) u,   1 - t² = 4 e / (1 + e)²
//! z_bar = a(s) g + 2 a'(s) (g . z) z                near 0
//! ```

use super::{Oscillators, Real};

/// Coefficients of `tanh(r) / r` in powers of `r²`.
const SERIES: [f64; 9] = [
    1.0,
    -1.0 / 3.0,
    2.0 / 15.0,
    -17.0 / 315.0,
    62.0 / 2835.0,
    -1382.0 / 155_925.0,
    21_844.0 / 6_081_075.0,
    -929_569.0 / 638_512_875.0,
    6_404_582.0 / 10_854_718_875.0,
];

/// Below this largest component `r` is below 0.2: the f32 that the kernels compare with.
pub fn near(k: usize) -> f32 {
    0.2 / (k as f32).sqrt()
}

/// `sum c_j s^j`.
fn horner<R: Real>(coefficients: &[f64], s: R) -> R {
    coefficients.iter().rev().fold(R::zero(), |sum, c| {
        let c = if c.fract() == 0.0 { R::exact(*c) } else { R::constant(*c) };
        c + s * sum
    })
}

/// What one neuron's map is made of: with `w = z / divisor`, `phi(z) = factor w` and
/// `z_bar = across g + bend (g . u) u`, where `u = w / stretch`.
struct Radial<R> {
    w: Vec<R>,
    factor: R,
    across: R,
    bend: R,
    stretch: Option<R>,
}

fn radial<R: Real>(z: &[R]) -> Radial<R> {
    let largest = z.iter().fold(R::zero(), |m, x| m.max(x.abs()));
    let is_long = largest.value() > 1.0;
    let w: Vec<R> = if is_long { z.iter().map(|x| *x / largest).collect() } else { z.to_vec() };
    let square = R::dot(&w, &w);
    if largest.value() < f64::from(near(z.len())) {
        let slope: Vec<f64> = SERIES.iter().enumerate().skip(1).map(|(j, c)| 2.0 * j as f64 * c).collect();
        let factor = horner(&SERIES, square);
        return Radial { w, factor, across: factor, bend: horner(&slope, square), stretch: None };
    }
    let root = square.sqrt();
    let r = if is_long { largest * root } else { root };
    let one = R::exact(1.0);
    let e = (R::exact(-2.0) * r).exp();
    let factor = ((one - e) / (one + e)) / root;
    let across = if is_long { factor / largest } else { factor };
    let bend = R::exact(4.0) * e / ((one + e) * (one + e)) - across;
    Radial { w, factor, across, bend, stretch: Some(root) }
}

/// `phi(z)` of one neuron.
pub fn activate<R: Real>(z: &[R]) -> Vec<R> {
    let map = radial(z);
    map.w.iter().map(|w| *w * map.factor).collect()
}

/// `z_bar` of one neuron.
fn pull<R: Real>(z: &[R], g: &[R]) -> Vec<R> {
    let Radial { w, across, bend, stretch, .. } = radial(z);
    let u: Vec<R> = match stretch {
        Some(stretch) => w.iter().map(|w| *w / stretch).collect(),
        None => w,
    };
    let pull = bend * R::dot(g, &u);
    g.iter().zip(&u).map(|(g, u)| across * *g + pull * *u).collect()
}

/// `phi` of all neurons.
pub fn forward<R: Real>(x: &[R], at: &Oscillators) -> Vec<R> {
    let mut dst = x.to_vec();
    for i in 0..at.count() {
        at.scatter(&mut dst, i, &activate(&at.gather(x, i)));
    }
    dst
}

/// `x_bar`.
pub fn backward<R: Real>(x: &[R], dst_bar: &[R], at: &Oscillators) -> Vec<R> {
    let mut x_bar = x.to_vec();
    for i in 0..at.count() {
        at.scatter(&mut x_bar, i, &pull(&at.gather(x, i), &at.gather(dst_bar, i)));
    }
    x_bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_branches_are_tanh() {
        for r in [1e-300, 1e-8, 0.03, 0.14, 0.1999, 0.2, 0.2001, 0.7, 1.0, 3.0, 9.0, 40.0, 1e9, 1e300] {
            // One component at 0.8 and one at 0.6 of the length, and one alone.
            for direction in [&[0.8, -0.6][..], &[1.0], &[0.0, 0.0, 1.0]] {
                let z: Vec<f64> = direction.iter().map(|d| r * d).collect();
                for (got, d) in activate(&z).iter().zip(direction) {
                    assert!((got - r.tanh() * d).abs() <= 4e-16 * r.tanh(), "r {r}: {got} along {d}");
                }
            }
        }
        assert_eq!(activate(&[0.0, 0.0]), [0.0, 0.0]);
        assert_eq!(pull(&[0.0, 0.0], &[0.5, -2.0]), [0.5, -2.0]);
    }
}
