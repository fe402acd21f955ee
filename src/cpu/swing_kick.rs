//! Half a step of the force on the velocities of the swing equation, the last part of the splitting whose first is
//! `swing_drift`:
//! ```text
//! kicked[b, i] = velocity[b, i] + h[b]/2 force[b, i] / inertia[i]
//! ```
//!
//! Backward, with `p = h/2 kicked_bar / inertia`:
//! ```text
//! velocity_bar = kicked_bar,   force_bar = p,   inertia_bar[i] = - sum_b p force / inertia
//! h_bar[b] = 1/2 sum_i kicked_bar force / inertia
//! ```

use super::Real;

/// `kicked [samples, nodes]` of `velocity` and `force` `[samples, nodes]`, `inertia` `[nodes]` and `h` `[samples]`.
pub fn forward<R: Real>(velocity: &[R], force: &[R], inertia: &[R], h: &[R]) -> Vec<R> {
    let nodes = inertia.len();
    let half = R::exact(0.5);
    let kick = |(e, v): (usize, &R)| *v + half * h[e / nodes] * (force[e] / inertia[e % nodes]);
    velocity.iter().enumerate().map(kick).collect()
}

/// `[velocity_bar, force_bar, inertia_bar, h_bar]`.
pub fn backward<R: Real>(force: &[R], inertia: &[R], h: &[R], kicked_bar: &[R]) -> [Vec<R>; 4] {
    let nodes = inertia.len();
    let half = R::exact(0.5);
    let pushed = |e: usize| half * h[e / nodes] * (kicked_bar[e] / inertia[e % nodes]);
    let moved = |e: usize| force[e] / inertia[e % nodes];
    let force_bar = (0..force.len()).map(pushed).collect();
    let over_samples = |i: usize| -R::sum((0..h.len()).map(|b| b * nodes + i).map(|e| pushed(e) * moved(e)));
    let over_nodes = |b: usize| half * R::sum((b * nodes..(b + 1) * nodes).map(|e| kicked_bar[e] * moved(e)));
    let (inertia_bar, h_bar) = ((0..nodes).map(over_samples).collect(), (0..h.len()).map(over_nodes).collect());
    [kicked_bar.to_vec(), force_bar, inertia_bar, h_bar]
}
