//! The acceleration of oscillators with inertia, the swing equation of power grids (Filatrella et al. 2008):
//! ```text
//! rate[b, i] = (force[b, i] - damping[i] velocity[b, i]) / inertia[i]
//! ```
//!
//! Backward, with `p = rate_bar / inertia`:
//! ```text
//! force_bar = p,   velocity_bar = - damping p,   inertia_bar = - sum_b p rate,   damping_bar = - sum_b p velocity
//! ```

use super::Real;

/// `rate [samples, nodes]` of `force` and `velocity` `[samples, nodes]`, `inertia` and `damping` `[nodes]`.
pub fn forward<R: Real>(force: &[R], velocity: &[R], inertia: &[R], damping: &[R]) -> Vec<R> {
    let nodes = inertia.len();
    let rate = |e: usize| (force[e] - damping[e % nodes] * velocity[e]) / inertia[e % nodes];
    (0..force.len()).map(rate).collect()
}

/// `[force_bar, velocity_bar, inertia_bar, damping_bar]`.
pub fn backward<R: Real>(force: &[R], velocity: &[R], inertia: &[R], damping: &[R], rate_bar: &[R]) -> [Vec<R>; 4] {
    let nodes = inertia.len();
    let rate = forward(force, velocity, inertia, damping);
    let pushed: Vec<R> = rate_bar.iter().enumerate().map(|(e, g)| *g / inertia[e % nodes]).collect();
    let velocity_bar = pushed.iter().enumerate().map(|(e, p)| -(damping[e % nodes] * *p)).collect();
    let minus_sums = |other: &[R]| -> Vec<R> {
        (0..nodes).map(|i| -R::sum((i..pushed.len()).step_by(nodes).map(|e| pushed[e] * other[e]))).collect()
    };
    let (inertia_bar, damping_bar) = (minus_sums(&rate), minus_sums(velocity));
    [pushed, velocity_bar, inertia_bar, damping_bar]
}
