//! The first part of a step of the swing equation `θ' = v`, `m v' = F - d v` by splitting: half a step of the force, a
//! turn along the mean of the velocities before and after the damping, which is solved exactly; `swing_kick` with the
//! force at the new phases ends the step (BAOAB of Leimkuhler and Matthews 2013, without its noise):
//! ```text
//! v1 = v + h/2 F/m,   v2 = v1 exp(a) with a = -d h/m,   θ_next = wrap(θ + h/2 v1 + h/2 v2),   v_next = v2
//! ```
//!
//! Backward:
//! ```text
//! v2_bar = v_next_bar + h/2 θ_next_bar,   v1_bar = h/2 θ_next_bar + exp(a) v2_bar,   a_bar = v2 v2_bar
//! θ_bar = θ_next_bar,   v_bar = v1_bar,   F_bar = h/2 v1_bar/m
//! m_bar[i] = sum_b (a_bar d - v1_bar F/2) h/m^2,   d_bar[i] = - sum_b a_bar h/m
//! h_bar[b] = sum_i v1_bar F/(2 m) + θ_next_bar (v1 + v2)/2 - a_bar d/m
//! ```

use super::Real;

/// Operands, in the order of the op.
#[derive(Clone, Copy, Debug)]
pub struct Operands<'a, R> {
    /// `[samples, nodes]`.
    pub theta: &'a [R],
    /// `[samples, nodes]`.
    pub velocity: &'a [R],
    /// `[samples, nodes]`.
    pub force: &'a [R],
    /// `[nodes]`.
    pub inertia: &'a [R],
    /// `[nodes]`.
    pub damping: &'a [R],
    /// `[samples]`.
    pub h: &'a [R],
}

/// One node's numbers.
struct Drift<R> {
    h: R,
    m: R,
    d: R,
    push: R,
    keep: R,
    v1: R,
    v2: R,
}

fn drift<R: Real>(x: &Operands<'_, R>, e: usize) -> Drift<R> {
    let nodes = x.inertia.len();
    let (h, m, d) = (x.h[e / nodes], x.inertia[e % nodes], x.damping[e % nodes]);
    let (push, keep) = (x.force[e] / m, (-(d * h / m)).exp());
    let v1 = x.velocity[e] + R::exact(0.5) * h * push;
    Drift { h, m, d, push, keep, v1, v2: v1 * keep }
}

/// `[theta_next, velocity_next]`.
pub fn forward<R: Real>(x: &Operands<'_, R>) -> [Vec<R>; 2] {
    let (mut theta, mut velocity) = (Vec::new(), Vec::new());
    for e in 0..x.theta.len() {
        let n = drift(x, e);
        let half = R::exact(0.5) * n.h;
        theta.push(((x.theta[e] + half * n.v1) + half * n.v2).wrap());
        velocity.push(n.v2);
    }
    [theta, velocity]
}

/// `[theta_bar, velocity_bar, force_bar, inertia_bar, damping_bar, h_bar]`.
pub fn backward<R: Real>(x: &Operands<'_, R>, theta_next_bar: &[R], velocity_next_bar: &[R]) -> [Vec<R>; 6] {
    let (nodes, half) = (x.inertia.len(), R::exact(0.5));
    let (mut velocity_bar, mut force_bar) = (Vec::new(), Vec::new());
    let mut of_inertia = vec![Vec::new(); nodes];
    let mut of_damping = vec![Vec::new(); nodes];
    let mut of_h = vec![Vec::new(); x.h.len()];
    for (e, turn) in theta_next_bar.iter().enumerate() {
        let n = drift(x, e);
        let v2_bar = velocity_next_bar[e] + half * n.h * *turn;
        let v1_bar = half * n.h * *turn + n.keep * v2_bar;
        velocity_bar.push(v1_bar);
        force_bar.push(half * n.h * (v1_bar / n.m));
        let exponent = n.v2 * v2_bar * (n.h / n.m);
        of_inertia[e % nodes].push((exponent * n.d - half * n.h * v1_bar * n.push) / n.m);
        of_damping[e % nodes].push(-exponent);
        let turned = half * *turn * (n.v1 + n.v2);
        of_h[e / nodes].push(half * (v1_bar * n.push) + turned - n.v2 * v2_bar * (n.d / n.m));
    }
    let sums = |terms: Vec<Vec<R>>| terms.into_iter().map(R::sum).collect();
    [theta_next_bar.to_vec(), velocity_bar, force_bar, sums(of_inertia), sums(of_damping), sums(of_h)]
}
