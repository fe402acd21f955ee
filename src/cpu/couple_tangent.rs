//! The derivative of the coupling of `couple_phases` along a tangent `v` of the phases:
//! ```text
//! dst[b, i] = q K_b sum_{e in row i} w[b, e] cos D[b, e] (v[b, j_e] - v[b, i]),
//!     D[b, e] = q (θ[b, j_e] - θ[b, i]) - a[b, e]
//! ```
//!
//! Source: the linearisation of Y. Kuramoto's equation; for Lyapunov exponents G. Benettin, L. Galgani, A. Giorgilli and
//! J.-M. Strelcyn, Meccanica 15 (1980) 9.

use super::Real;
use super::couple_phases::{Extents, Operands, for_each, sums};

/// `dst [batch, nodes]` of `tangent [batch, nodes]`; `x.base` has no part in it.
pub fn forward<R: Real>(x: &Operands<R>, tangent: &[R], edges: &[(usize, usize)], at: &Extents) -> Vec<R> {
    let mut terms = vec![Vec::new(); x.theta.len()];
    for_each(x, edges, at, |b, e, i, j, (_, cos)| {
        terms[i].push(x.weights[at.weight(b, e)] * cos * (tangent[j] - tangent[i]));
    });
    let q = R::exact(f64::from(at.harmonic));
    sums(terms).into_iter().enumerate().map(|(index, sum)| q * x.strength[index / at.nodes] * sum).collect()
}
