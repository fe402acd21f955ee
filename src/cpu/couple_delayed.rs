//! Coupling over the edges of a graph with a delay of each edge:
//! ```text
//! dst[b, i] = base_i + K_b sum_{e in row i} w_e sin(q (theta_j(t - tau_e) - theta_i(t)) - lag)
//! ```
//! The past is known at whole steps `h`. A delay of `d = tau / h` steps lies between the states `k = floor(d)` and `k + 1`
//! steps ago; the phase there is `a + (d - k) wrap(b - a)`, linear along the shorter arc, off by the square of the step.

use super::Real;
use super::couple_sparse::Rows;

/// What is known of the past.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Past {
    /// States in the ring, at least 1.
    pub slots: usize,
    /// Elements from one state to the next, at least those of one state.
    pub stride: usize,
    /// The slot of the state one step ago.
    pub newest: usize,
    /// Time between two states.
    pub step: f32,
}

/// Numbers of a coupling besides its operands.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Numbers {
    /// `q`.
    pub harmonic: u32,
    /// In radians.
    pub lag: f32,
}

/// The operands of a coupling.
#[derive(Clone, Copy, Debug)]
pub struct Operands<'a, R> {
    /// Phases now, `[B, N]`.
    pub theta: &'a [R],
    /// What is added to, `[N]` or `[B, N]`.
    pub base: &'a [R],
    /// Weight and delay of each edge, `[E, 2]`.
    pub links: &'a [R],
    /// `[B]`.
    pub strength: &'a [R],
    /// `[slots, stride]`.
    pub history: &'a [R],
}

/// The rates `[B, N]`.
pub fn forward<R: Real>(operands: &Operands<R>, rows: &Rows, past: &Past, numbers: &Numbers) -> Vec<R> {
    let Operands { theta, base, links, strength, history } = *operands;
    let nodes = rows.indptr.len() - 1;
    let per_step = R::exact(f64::from(1.0 / past.step));
    let ago = |at: usize, k: usize| match k {
        0 => theta[at],
        _ => history[(past.newest + past.slots + 1 - k) % past.slots * past.stride + at],
    };
    (0..theta.len())
        .map(|index| {
            let (b, i) = (index / nodes, index % nodes);
            let terms = (rows.indptr[i] as usize..rows.indptr[i + 1] as usize).map(|e| {
                let at = b * nodes + rows.indices[e] as usize;
                let d = links[2 * e + 1] * per_step;
                let steps = d.value().clamp(0.0, past.slots as f64);
                let k = (steps as usize).min(past.slots - 1);
                let d = if steps == d.value() { d } else { R::exact(steps) };
                let later = ago(at, k);
                let phase = later + (d - R::exact(k as f64)) * (ago(at, k + 1) - later).wrap();
                let angle =
                    R::exact(f64::from(numbers.harmonic)) * (phase - theta[index]) - R::exact(numbers.lag.into());
                links[2 * e] * angle.sin_cos().0
            });
            base[index % base.len()] + strength[b] * R::sum(terms)
        })
        .collect()
}
