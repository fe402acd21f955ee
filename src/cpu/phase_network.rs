//! Several steps of a network of phases coupled over the edges of a graph,
//! ```text
//! dθ_i/dt = base_i + K sum_{e in row i} w_e sin(q (θ_{j_e} - θ_i) - a_e)
//! ```
//! by an explicit scheme; phases are wrapped after each step. Sources: that of [`couple_phases`]
//! for the rates, of [`phase_step`](super::phase_step) for the schemes.

use super::Real;
use super::couple_phases::{self, Extents, Operands};
use super::phase_step::ExplicitScheme;

/// The phases `[batch, nodes]` after `steps` steps of sizes `h` `[batch]`.
pub fn forward<R: Real>(
    x: &Operands<R>,
    h: &[R],
    edges: &[(usize, usize)],
    at: &Extents,
    scheme: ExplicitScheme,
    steps: usize,
) -> Vec<R> {
    let mut begun = x.theta.to_vec();
    for _ in 0..steps {
        let mut point = begun.clone();
        let mut total = vec![R::zero(); begun.len()];
        for [weight, ahead] in scheme.stages().iter().map(|pair| pair.map(|c| R::exact(f64::from(c)))) {
            let rates = couple_phases::forward(&Operands { theta: &point, ..*x }, edges, at);
            for (i, rate) in rates.into_iter().enumerate() {
                total[i] = total[i] + weight * rate;
                point[i] = begun[i] + h[i / at.nodes] * (ahead * rate);
            }
        }
        for (i, begun) in begun.iter_mut().enumerate() {
            *begun = (*begun + h[i / at.nodes] * total[i]).wrap();
        }
    }
    begun
}
