//! How often phases turn around a closed loop of nodes `i_0, i_1, …, i_0`:
//! ```text
//! winding[b, l] = 1/(2π) sum_k wrap(θ[b, i_(k+1)] - θ[b, i_k]) = -sum_k round((θ[b, i_(k+1)] - θ[b, i_k]) / 2π)
//! ```
//! The differences themselves add up to nothing, so what wrapping takes from them is what is counted: an exact integer.
//!
//! Source: N. D. Mermin, Rev. Mod. Phys. 51 (1979) 591; twisted states of rings: D. A. Wiley, S. H. Strogatz and M. Girvan,
//! Chaos 16 (2006) 015103.

use std::f64::consts::TAU;

use super::Real;

/// `winding [samples, loops]` of `theta [samples, nodes]`.
pub fn forward<R: Real>(theta: &[R], loops: &[Vec<usize>], [samples, nodes]: [usize; 2]) -> Vec<R> {
    let per_turn = R::constant(1.0 / TAU);
    let turns = |from: R, to: R| (to - from - (to - from).wrap()) * per_turn;
    let mut winding = Vec::with_capacity(samples * loops.len());
    for b in 0..samples {
        let theta = &theta[b * nodes..(b + 1) * nodes];
        for around in loops {
            let next = around.iter().cycle().skip(1);
            winding.push(-R::sum(around.iter().zip(next).map(|(i, j)| turns(theta[*i], theta[*j]))));
        }
    }
    winding
}
