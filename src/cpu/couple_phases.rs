//! Kuramoto coupling of phases over the edges of a graph, in a rotating frame of each node's own frequency:
//! ```text
//! rate[b, i] = base[b, i] + K_b sum_{e in row i} w[b, e] sin D[b, e],    D[b, e] = q (θ[b, j_e] - θ[b, i]) - a[b, e]
//! ```
//! with `j_e` the sender of edge `e`, a harmonic `q` and a lag `a` per sample or per edge.
//!
//! Source: Y. Kuramoto, Chemical Oscillations, Waves, and Turbulence (1984), chapter 5; the lag is that of H. Sakaguchi and
//! Y. Kuramoto, Prog. Theor. Phys. 76 (1986) 576.
//!
//! Backward, with `c_e = λ_i cos D_e` and `s_e = λ_i sin D_e` for `λ = rate_bar` at the receiver of `e`:
//! ```text
//! θ_bar[i] = q K (sum_{e out of i} w_e c_e - sum_{e in row i} w_e c_e)      base_bar = λ
//! w_bar[e] = K s_e          K_bar = sum_e w_e s_e          a_bar[e] = -K w_e c_e
//! ```
//! summed over the samples, or the edges, that share an operand.

use super::Real;

/// Extents of a coupling besides the graph's, and which operands the samples share.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extents {
    /// Samples.
    pub batch: usize,
    /// Nodes.
    pub nodes: usize,
    /// Edges.
    pub edges: usize,
    /// The harmonic `q`.
    pub harmonic: u32,
    /// Whether each sample has its own `base`.
    pub own_base: bool,
    /// Whether each sample has its own weights.
    pub own_weights: bool,
    /// Whether each edge has its own lag, otherwise each sample has.
    pub edge_lag: bool,
}

impl Extents {
    fn base(&self, b: usize, i: usize) -> usize {
        if self.own_base { b * self.nodes + i } else { i }
    }

    pub(super) fn weight(&self, b: usize, e: usize) -> usize {
        if self.own_weights { b * self.edges + e } else { e }
    }

    pub(super) fn lag(&self, b: usize, e: usize) -> usize {
        if self.edge_lag { e } else { b }
    }
}

/// What goes into a coupling.
#[derive(Clone, Copy, Debug)]
pub struct Operands<'a, R> {
    /// Phases, `[batch, nodes]`.
    pub theta: &'a [R],
    /// Rates without a coupling, `[nodes]` or `[batch, nodes]`.
    pub base: &'a [R],
    /// Weights, `[1, edges]` or `[batch, edges]`.
    pub weights: &'a [R],
    /// Strengths `K`, `[batch]`.
    pub strength: &'a [R],
    /// Lags `a`, `[batch, 1]` or `[1, edges]`.
    pub lag: &'a [R],
}

/// Calls `f(b, e, receiver, sender, (sin D, cos D))` for every sample and every pair (receiver, sender).
pub(super) fn for_each<R: Real>(
    x: &Operands<R>,
    edges: &[(usize, usize)],
    at: &Extents,
    mut f: impl FnMut(usize, usize, usize, usize, (R, R)),
) {
    for b in 0..at.batch {
        for (e, (i, j)) in edges.iter().enumerate() {
            let (i, j) = (b * at.nodes + i, b * at.nodes + j);
            let difference = R::exact(f64::from(at.harmonic)) * (x.theta[j] - x.theta[i]) - x.lag[at.lag(b, e)];
            f(b, e, i, j, difference.sin_cos());
        }
    }
}

pub(super) fn sums<R: Real>(terms: Vec<Vec<R>>) -> Vec<R> {
    terms.into_iter().map(R::sum).collect()
}

/// `rate [batch, nodes]`.
pub fn forward<R: Real>(x: &Operands<R>, edges: &[(usize, usize)], at: &Extents) -> Vec<R> {
    let mut terms = vec![Vec::new(); x.theta.len()];
    for_each(x, edges, at, |b, e, i, _, (sin, _)| terms[i].push(x.weights[at.weight(b, e)] * sin));
    let pulled = sums(terms).into_iter().enumerate().map(|(index, sum)| {
        let (b, i) = (index / at.nodes, index % at.nodes);
        x.base[at.base(b, i)] + x.strength[b] * sum
    });
    pulled.collect()
}

/// The cotangents of `theta`, `base`, `weights`, `strength` and `lag`.
pub fn backward<R: Real>(x: &Operands<R>, rate_bar: &[R], edges: &[(usize, usize)], at: &Extents) -> [Vec<R>; 5] {
    let [mut theta, mut base, mut weights, mut strength, mut lag] =
        [x.theta, x.base, x.weights, x.strength, x.lag].map(|operand| vec![Vec::new(); operand.len()]);
    for_each(x, edges, at, |b, e, i, j, (sin, cos)| {
        let (w, k) = (x.weights[at.weight(b, e)], x.strength[b]);
        let (c, s) = (rate_bar[i] * cos, rate_bar[i] * sin);
        theta[j].push(w * c);
        theta[i].push(-(w * c));
        weights[at.weight(b, e)].push(k * s);
        strength[b].push(w * s);
        lag[at.lag(b, e)].push(-(k * (w * c)));
    });
    for (index, bar) in rate_bar.iter().enumerate() {
        base[at.base(index / at.nodes, index % at.nodes)].push(*bar);
    }
    let turned = sums(theta)
        .into_iter()
        .enumerate()
        .map(|(index, sum)| R::exact(f64::from(at.harmonic)) * x.strength[index / at.nodes] * sum);
    [turned.collect(), sums(base), sums(weights), sums(strength), sums(lag)]
}
