//! One step of Euler's scheme for weights that follow the phases they couple:
//! ```text
//! dst[b, e] = w[b, e] + h_b ε (sin(θ[b, j_e] - θ[b, i_e] + β) - γ w[b, e])
//! ```
//!
//! Source: R. Berner, E. Schöll and S. Yanchuk, SIAM J. Appl. Dyn. Syst. 18 (2019) 2227, whose `β` is `-β` here and whose `γ`
//! is 1; `β = π/2` is Hebb's rule, for which links between like phases grow.

use super::Real;

/// How weights follow phases.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Adaptation {
    /// `ε`, per unit of time: how fast weights are.
    pub rate: f32,
    /// `γ`: what a weight loses of itself; without it weights grow for ever.
    pub decay: f32,
    /// `β`, in radians.
    pub lag: f32,
}

/// `dst [samples, edges]` of `weights [samples, edges]`, `theta [samples, nodes]`, `h [samples]`.
pub fn forward<R: Real>(weights: &[R], theta: &[R], h: &[R], edges: &[(usize, usize)], rule: &Adaptation) -> Vec<R> {
    let nodes = theta.len().checked_div(h.len()).unwrap_or(0);
    let [rate, decay, lag] = [rule.rate, rule.decay, rule.lag].map(|v| R::exact(f64::from(v)));
    let mut dst = Vec::with_capacity(weights.len());
    for (b, h) in h.iter().enumerate() {
        for (e, (i, j)) in edges.iter().enumerate() {
            let (w, apart) = (weights[b * edges.len() + e], theta[b * nodes + j] - theta[b * nodes + i]);
            dst.push(w + *h * (rate * ((apart + lag).sin_cos().0 - decay * w)));
        }
    }
    dst
}
