//! Which step sizes cannot work.

use super::scheme::Scheme;
use crate::ops::graph::Graph;

/// Step sizes at a synchronised state of a first-order network without lag, whose Jacobian is `-K q L` with the Laplacian
/// `L` of the weights.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct StepBound {
    /// At and below it every perturbation decays, for symmetric weights that are not negative.
    pub stable_up_to: f64,
    /// Above it some perturbation of a synchronised state grows: the scheme is unstable whatever the graph's other details.
    /// `None` where nothing is proved: weights below 0 or of one node.
    pub unstable_above: Option<f64>,
}

/// The bounds for edges with `weights` (in the graph's order), strength `strength` and harmonic `harmonic`.
///
/// By Gershgorin's circles no eigenvalue of `L` is larger than twice the largest row sum of magnitudes. One of the `N`
/// eigenvalues is 0 and all add up to the trace, so the largest modulus is at least `trace / (N - 1)`.
pub fn step_bound(graph: &Graph, weights: &[f32], strength: f64, harmonic: u32, scheme: Scheme) -> StepBound {
    let mut rows = vec![0.0; graph.nodes()];
    let mut negative = false;
    for ((i, j), w) in graph.edges().zip(weights) {
        // A node's coupling to itself does not move it.
        if i != j {
            rows[i] += f64::from(w.abs());
            negative |= *w < 0.0;
        }
    }
    let scale = strength.abs() * f64::from(harmonic);
    let largest = 2.0 * scale * rows.iter().copied().fold(0.0, f64::max);
    let (real, modulus) = reach(scheme);
    let others = graph.nodes().saturating_sub(1);
    let proved = !negative && strength >= 0.0 && others > 0;
    let at_least = scale * rows.iter().sum::<f64>() / others.max(1) as f64;
    StepBound { stable_up_to: real / largest, unstable_above: (proved && at_least > 0.0).then(|| modulus / at_least) }
}

/// How far a scheme's region of stability goes: along the negative real axis, and in any direction.
fn reach(scheme: Scheme) -> (f64, f64) {
    match scheme {
        // The disc of radius 1 around -1.
        Scheme::Euler => (2.0, 2.0),
        // |1 + z + z^2 / 2| <= 1.
        Scheme::Heun => (2.0, 2.2),
        // |1 + z + ... + z^4 / 24| <= 1; the point of largest modulus lies off the axis.
        Scheme::Rk4 => (2.785_293_563_405_28, 3.0),
        // h omega <= 2 for each mode; a first-order network has none.
        Scheme::Splitting => (2.0, 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest modulus at which the polynomial is at most 1, over a fan of directions.
    fn measured(scheme: Scheme) -> (f64, f64) {
        let growth = |z: [f64; 2]| {
            let product = |a: [f64; 2], b: [f64; 2]| [a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]];
            let (mut sum, mut power) = ([1.0, 0.0], [1.0, 0.0]);
            for k in 1..=scheme.evaluations() {
                power = product(power, [z[0] / k as f64, z[1] / k as f64]);
                sum = [sum[0] + power[0], sum[1] + power[1]];
            }
            sum[0].hypot(sum[1])
        };
        let along = |angle: f64| {
            let inside = (1..4000).filter(|i| {
                let r = f64::from(*i) * 1e-3;
                growth([r * angle.cos(), r * angle.sin()]) <= 1.0
            });
            inside.max().map_or(0.0, |i| f64::from(i) * 1e-3)
        };
        let fan = (0..=900).map(|i| along(std::f64::consts::PI * f64::from(i) / 900.0));
        (along(std::f64::consts::PI), fan.fold(0.0, f64::max))
    }

    #[test]
    fn regions_reach_as_far_as_is_said() {
        for scheme in [Scheme::Euler, Scheme::Heun, Scheme::Rk4] {
            let ((real, modulus), (axis, any)) = (reach(scheme), measured(scheme));
            assert!((real - axis).abs() < 2e-3, "{scheme:?}: {axis} along the axis, said {real}");
            assert!(any <= modulus + 1e-3 && any > modulus - 0.1, "{scheme:?}: {any} in all, said {modulus}");
        }
    }
}
