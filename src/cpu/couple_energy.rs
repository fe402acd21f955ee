//! Energy of Kuramoto coupling over the edges of a graph:
//! ```text
//! energy[b] = -K_b / (2 q) sum_e w[b, e] cos D[b, e],    D[b, e] = q (θ[b, j_e] - θ[b, i_e]) - a[b, e]
//! ```
//! With weights that are equal both ways and no lag its negative gradient is the coupling of `couple_phases`. With unit
//! weights and `K = -2 q / E` it is the mean cosine of all edges.
//!
//! Source: J. L. van Hemmen and W. F. Wreszinski, J. Stat. Phys. 72 (1993) 145.
//!
//! Backward, with `c_e = λ sin D_e / (2 q)` and `s_e = -λ cos D_e / (2 q)` for `λ = energy_bar` of the sample: the sums of
//! `couple_phases` with these terms.

use super::Real;
use super::couple_phases::{Extents, Operands, for_each, sums};

/// `energy [batch]`; `x.base` has no part in it.
pub fn forward<R: Real>(x: &Operands<R>, edges: &[(usize, usize)], at: &Extents) -> Vec<R> {
    let mut terms = vec![Vec::new(); at.batch];
    for_each(x, edges, at, |b, e, _, _, (_, cos)| terms[b].push(x.weights[at.weight(b, e)] * cos));
    let share = R::constant(-0.5 / f64::from(at.harmonic));
    sums(terms).into_iter().zip(x.strength).map(|(sum, k)| share * *k * sum).collect()
}

/// The cotangents of `theta`, `weights`, `strength` and `lag`.
pub fn backward<R: Real>(x: &Operands<R>, energy_bar: &[R], edges: &[(usize, usize)], at: &Extents) -> [Vec<R>; 4] {
    let [mut theta, mut weights, mut strength, mut lag] =
        [x.theta, x.weights, x.strength, x.lag].map(|operand| vec![Vec::new(); operand.len()]);
    let share = R::constant(0.5 / f64::from(at.harmonic));
    for_each(x, edges, at, |b, e, i, j, (sin, cos)| {
        let (w, k, scale) = (x.weights[at.weight(b, e)], x.strength[b], share * energy_bar[b]);
        let (c, s) = (scale * sin, -(scale * cos));
        theta[j].push(w * c);
        theta[i].push(-(w * c));
        weights[at.weight(b, e)].push(k * s);
        strength[b].push(w * s);
        lag[at.lag(b, e)].push(-(k * (w * c)));
    });
    let turned = sums(theta)
        .into_iter()
        .enumerate()
        .map(|(index, sum)| R::exact(f64::from(at.harmonic)) * x.strength[index / at.nodes] * sum);
    [turned.collect(), sums(weights), sums(strength), sums(lag)]
}
