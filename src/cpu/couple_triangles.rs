//! Kuramoto coupling of phases by threes, over directed triangles from `j` and `k` to `i`:
//! ```text
//! rate[b, i] = base[b, i] + K_b sum_{t at i} w[t] sin D[b, t],    D[b, t] = (θ[b, j_t] - θ[b, i]) + (θ[b, k_t] - θ[b, i])
//! ```
//! Source: T. Tanaka and T. Aoyagi, Phys. Rev. Lett. 106 (2011) 224101; P. Skardal and A. Arenas, Phys. Rev. Lett. 122
//! (2019) 248301.
//!
//! Backward, with `c_t = λ_i cos D_t` and `s_t = λ_i sin D_t` for `λ = rate_bar` at the receiver of `t`:
//! ```text
//! θ_bar[i] = K (sum_{t out of i} w_t c_t - 2 sum_{t at i} w_t c_t)      base_bar = λ
//! w_bar[t] = sum_b K s_t                                                K_bar = sum_t w_t s_t
//! ```

use super::Real;

/// Extents of a coupling besides those of the triangles.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extents {
    /// Samples.
    pub batch: usize,
    /// Nodes.
    pub nodes: usize,
    /// Whether each sample has its own `base`.
    pub own_base: bool,
}

impl Extents {
    fn base(&self, at: usize) -> usize {
        if self.own_base { at } else { at % self.nodes }
    }
}

/// What goes into a coupling.
#[derive(Clone, Copy, Debug)]
pub struct Operands<'a, R> {
    /// Phases, `[batch, nodes]`.
    pub theta: &'a [R],
    /// Rates without a coupling, `[nodes]` or `[batch, nodes]`.
    pub base: &'a [R],
    /// Weights, `[triangles]`.
    pub weights: &'a [R],
    /// Strengths `K`, `[batch]`.
    pub strength: &'a [R],
}

/// Calls `f(b, t, [i, j, k], (sin D, cos D))` for every sample and every triangle from `j` and `k` to `i`.
fn for_each<R: Real>(
    theta: &[R],
    triangles: &[[usize; 3]],
    at: &Extents,
    mut f: impl FnMut(usize, usize, [usize; 3], (R, R)),
) {
    for b in 0..at.batch {
        for (t, nodes) in triangles.iter().enumerate() {
            let [i, j, k] = nodes.map(|node| b * at.nodes + node);
            f(b, t, [i, j, k], ((theta[j] - theta[i]) + (theta[k] - theta[i])).sin_cos());
        }
    }
}

fn sums<R: Real>(terms: Vec<Vec<R>>) -> Vec<R> {
    terms.into_iter().map(R::sum).collect()
}

/// `rate [batch, nodes]`.
pub fn forward<R: Real>(x: &Operands<R>, triangles: &[[usize; 3]], at: &Extents) -> Vec<R> {
    let mut terms = vec![Vec::new(); x.theta.len()];
    for_each(x.theta, triangles, at, |_, t, [i, ..], (sin, _)| terms[i].push(x.weights[t] * sin));
    let pulled = sums(terms).into_iter().enumerate();
    pulled.map(|(i, sum)| x.base[at.base(i)] + x.strength[i / at.nodes] * sum).collect()
}

/// The cotangents of `theta`, `base`, `weights` and `strength`.
pub fn backward<R: Real>(x: &Operands<R>, rate_bar: &[R], triangles: &[[usize; 3]], at: &Extents) -> [Vec<R>; 4] {
    let [mut theta, mut base, mut weights, mut strength] =
        [x.theta, x.base, x.weights, x.strength].map(|operand| vec![Vec::new(); operand.len()]);
    for_each(x.theta, triangles, at, |b, t, [i, j, k], (sin, cos)| {
        let w = x.weights[t];
        let (c, s) = (w * (rate_bar[i] * cos), rate_bar[i] * sin);
        theta[j].push(c);
        theta[k].push(c);
        theta[i].extend([-c, -c]);
        weights[t].push(x.strength[b] * s);
        strength[b].push(w * s);
    });
    for (i, bar) in rate_bar.iter().enumerate() {
        base[at.base(i)].push(*bar);
    }
    let turned = sums(theta).into_iter().enumerate().map(|(i, sum)| x.strength[i / at.nodes] * sum);
    [turned.collect(), sums(base), sums(weights), sums(strength)]
}
