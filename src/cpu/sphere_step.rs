//! One step of the Kuramoto model on the sphere, `x <- normalize(x + γ (Ω x + P_x y))`, with
//! `P_x y = y - (x . y) x`, and the energy per sample that the published AKOrN code records,
//! `e = - sum x . y` (before the step, before the projection).
//!
//! Source: Miyato et al., Artificial Kuramoto Oscillatory Neurons (ICLR 2025), equations 2, 4 and 5.
//!
//! Backward, with `v` the argument of `normalize`, `g` the cotangent of the state, `e` that of the energy:
//! ```text
//! v_bar = normalize's cotangent of g          u = γ v_bar
//! y_bar = u - (u . x) x - e x
//! x_bar = v_bar + Ωᵀ u - (x . y) u - (u . x) y - e y
//! γ_bar = sum v_bar . (Ω x + P_x y)
//! w_bar = sum γ (v_bar_2p x_2p+1 - v_bar_2p+1 x_2p)      over the pairs p that share w
//! ```
//! Without projection `y_bar = u - e x` and the two middle terms of `x_bar` are absent.

use super::sphere_normalize::{normalize, normalize_vjp};
use super::{Oscillators, Real};

/// The linear part `Ω` of a step. Components are paired `(2p, 2p+1)`; with a frequency `w >= 0` per pair
/// `(Ω x)_2p = w x_2p+1, (Ω x)_2p+1 = -w x_2p`: the angle `atan2(x_2p+1, x_2p)` falls at rate `w`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Rotation {
    /// `Ω = 0`.
    #[default]
    None,
    /// `Ω x = x`, which is what the published AKOrN code computes when its rotation is switched off. On unit
    /// states the step equals one without rotation and with `γ / (1 + γ)` in the place of `γ`.
    Identity,
    /// One frequency for all pairs.
    Global,
    /// One frequency per pair of channels, `C / 2` of them.
    PerPair,
}

impl Rotation {
    /// Whether the step takes frequencies.
    pub fn has_frequencies(self) -> bool {
        matches!(self, Rotation::Global | Rotation::PerPair)
    }
}

/// What the step does besides its operands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mode {
    /// The linear part.
    pub rotation: Rotation,
    /// Whether `y` is projected to the tangent space.
    pub projection: bool,
}

/// The operands of one step. `frequencies` is empty, `[1]` or `[C / 2]`, as the rotation demands.
#[derive(Clone, Copy)]
pub struct Operands<'a, R> {
    /// State `[outer, n, inner]`.
    pub x: &'a [R],
    /// Drive of the same shape.
    pub y: &'a [R],
    /// Step size `[1]`.
    pub gamma: &'a [R],
    /// Natural frequencies.
    pub frequencies: &'a [R],
}

/// One oscillator's terms, kept because forward and backward both need them.
struct Terms<R> {
    x: Vec<R>,
    y: Vec<R>,
    along: R,
    /// `Ω x + P_x y`.
    velocity: Vec<R>,
    /// `x + γ velocity`.
    v: Vec<R>,
}

impl Mode {
    /// Index of the frequency of component pair `p` of oscillator `i`.
    fn frequency_index(&self, at: &Oscillators, i: usize, p: usize) -> usize {
        match self.rotation {
            Rotation::PerPair => at.group(i) * (at.n / 2) + p,
            _ => 0,
        }
    }

    /// `Ω x` (`sign = 1`) or `Ωᵀ x` (`sign = -1`) of oscillator `i`.
    fn rotate<R: Real>(&self, at: &Oscillators, w: &[R], i: usize, x: &[R], sign: f64) -> Vec<R> {
        match self.rotation {
            Rotation::None => vec![R::zero(); at.n],
            Rotation::Identity => x.to_vec(),
            Rotation::Global | Rotation::PerPair => (0..at.n)
                .map(|k| {
                    let w = w[self.frequency_index(at, i, k / 2)];
                    let turn = if k % 2 == 0 { sign } else { -sign };
                    R::exact(turn) * w * x[k ^ 1]
                })
                .collect(),
        }
    }

    fn terms<R: Real>(&self, o: &Operands<R>, at: &Oscillators, i: usize) -> Terms<R> {
        let (x, y) = (at.gather(o.x, i), at.gather(o.y, i));
        let along = R::dot(&x, &y);
        let turned = self.rotate(at, o.frequencies, i, &x, 1.0);
        let velocity: Vec<R> = (0..at.n)
            .map(|k| {
                let pull = if self.projection { y[k] - along * x[k] } else { y[k] };
                turned[k] + pull
            })
            .collect();
        let v = (0..at.n).map(|k| x[k] + o.gamma[0] * velocity[k]).collect();
        Terms { x, y, along, velocity, v }
    }
}

/// The next state and the energy per sample.
pub fn forward<R: Real>(o: &Operands<R>, at: &Oscillators, mode: Mode) -> (Vec<R>, Vec<R>) {
    let mut dst = o.x.to_vec();
    let mut along = Vec::with_capacity(at.count());
    for i in 0..at.count() {
        let t = mode.terms(o, at, i);
        at.scatter(&mut dst, i, &normalize(&t.v));
        along.push(t.along);
    }
    let energy =
        (0..at.samples).map(|b| -R::sum(along[b * at.per_sample()..][..at.per_sample()].iter().copied())).collect();
    (dst, energy)
}

/// Cotangents of a step's operands.
pub struct Cotangents<R> {
    /// Of the state.
    pub x: Vec<R>,
    /// Of the drive.
    pub y: Vec<R>,
    /// Of the step size, `[1]`.
    pub gamma: Vec<R>,
    /// Of the frequencies.
    pub frequencies: Vec<R>,
}

/// Cotangents from those of the next state and of the energy.
pub fn backward<R: Real>(
    o: &Operands<R>,
    dst_bar: &[R],
    energy_bar: &[R],
    at: &Oscillators,
    mode: Mode,
) -> Cotangents<R> {
    let (mut x_bar, mut y_bar) = (o.x.to_vec(), o.y.to_vec());
    let mut gamma_terms = Vec::new();
    let mut frequency_terms = vec![Vec::new(); o.frequencies.len()];
    for i in 0..at.count() {
        let t = mode.terms(o, at, i);
        let v_bar = normalize_vjp(&t.v, &at.gather(dst_bar, i));
        let u: Vec<R> = v_bar.iter().map(|v| o.gamma[0] * *v).collect();
        let e = energy_bar[i / at.per_sample()];
        let u_along = R::dot(&u, &t.x);
        let turned = mode.rotate(at, o.frequencies, i, &u, -1.0);
        let (mut xi, mut yi) = (Vec::new(), Vec::new());
        for k in 0..at.n {
            let (mut dx, mut dy) = (v_bar[k] + turned[k], u[k]);
            if mode.projection {
                dx = dx - t.along * u[k] - u_along * t.y[k];
                dy = dy - u_along * t.x[k];
            }
            xi.push(dx - e * t.y[k]);
            yi.push(dy - e * t.x[k]);
        }
        at.scatter(&mut x_bar, i, &xi);
        at.scatter(&mut y_bar, i, &yi);
        gamma_terms.push(R::dot(&v_bar, &t.velocity));
        if mode.rotation.has_frequencies() {
            for p in 0..at.n / 2 {
                let turn = v_bar[2 * p] * t.x[2 * p + 1] - v_bar[2 * p + 1] * t.x[2 * p];
                frequency_terms[mode.frequency_index(at, i, p)].push(o.gamma[0] * turn);
            }
        }
    }
    Cotangents {
        x: x_bar,
        y: y_bar,
        gamma: vec![R::sum(gamma_terms)],
        frequencies: frequency_terms.into_iter().map(R::sum).collect(),
    }
}
