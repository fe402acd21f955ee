//! Several steps of phases that all see their mean field:
//! ```text
//! dθ_i/dt = base_i + K (Y_s cos a - Y_c sin a),   a = m θ_i + lag,   (Y_c, Y_s) = mean_j (cos m θ_j, sin m θ_j)
//! ```
//! Source: Kuramoto 1984, Sakaguchi and Kuramoto 1986; the schemes are Euler's, Heun's and the classical Runge-Kutta scheme
//! (Hairer, Norsett and Wanner, II.1). Phases are wrapped after each step. The field is turned by the lag rather than each
//! angle: with `l` for the lag, `Y_s cos a - Y_c sin a = D_s cos m θ - D_c sin m θ` for
//! `D = (Y_c cos l + Y_s sin l, Y_s cos l - Y_c sin l)`.

use super::Real;
use super::phase_step::ExplicitScheme;

/// Extents and options.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Run {
    /// Samples.
    pub samples: usize,
    /// Nodes of a sample.
    pub nodes: usize,
    /// Whether samples share the base.
    pub shared: bool,
    /// The whole number that angles are multiplied by.
    pub harmonic: u32,
    /// The scheme.
    pub scheme: ExplicitScheme,
    /// Steps.
    pub steps: usize,
}

/// The phases `[samples, nodes]` after the steps; `base` is `[nodes]` if it is shared, `[samples, nodes]`, the rest is
/// `[samples]`.
pub fn forward<R: Real>(theta: &[R], base: &[R], strength: &[R], lag: &[R], h: &[R], at: &Run) -> Vec<R> {
    let nodes = at.nodes;
    let mut dst = theta.to_vec();
    for (b, phases) in dst.chunks_mut(nodes.max(1)).enumerate() {
        let base = if at.shared { base } else { &base[b * nodes..][..nodes] };
        let (sin_lag, cos_lag) = lag[b].sin_cos();
        let m = R::exact(f64::from(at.harmonic));
        let share = R::constant(1.0 / nodes as f64);
        for _ in 0..at.steps {
            let mut point = phases.to_vec();
            let mut total = vec![R::zero(); nodes];
            for [weight, ahead] in at.scheme.stages().iter().map(|pair| pair.map(|c| R::exact(f64::from(c)))) {
                let circle: Vec<(R, R)> = point.iter().map(|point| (m * *point).sin_cos()).collect();
                let c = share * R::sum(circle.iter().map(|pair| pair.1));
                let s = share * R::sum(circle.iter().map(|pair| pair.0));
                let drive = [strength[b] * (c * cos_lag + s * sin_lag), strength[b] * (s * cos_lag - c * sin_lag)];
                for i in 0..nodes {
                    let rate = base[i] + (drive[1] * circle[i].1 - drive[0] * circle[i].0);
                    total[i] = total[i] + weight * rate;
                    point[i] = phases[i] + h[b] * (ahead * rate);
                }
            }
            for (phase, total) in phases.iter_mut().zip(total) {
                *phase = (*phase + h[b] * total).wrap();
            }
        }
    }
    dst
}
