//! How a run goes.

use std::time::Duration;

use super::scheme::Scheme;
use crate::cpu::noise::Stream;

/// Additive white noise: `d theta = F dt + strength dW`, of second order `inertia dv = (F - damping v) dt + strength dW`.
#[derive(Clone, Debug)]
pub struct Stochastic {
    /// Of each sample, `sqrt(2 D)` for a diffusion constant `D`.
    pub strength: Vec<f32>,
    /// Where the numbers come from. Sample `b` at step `k` depends on the seed, `first_sample + b` and `step + k` alone.
    pub stream: Stream,
}

/// How a run goes.
#[derive(Clone, Debug)]
pub struct RunOptions {
    pub(super) scheme: Scheme,
    pub(super) step: Vec<f32>,
    pub(super) steps: usize,
    pub(super) every: usize,
    pub(super) noise: Option<Stochastic>,
    pub(super) windings: bool,
    pub(super) submission: Duration,
}

impl RunOptions {
    /// `steps` steps of the size `step`; only start and end are sampled.
    pub fn new(scheme: Scheme, step: f32, steps: usize) -> RunOptions {
        RunOptions {
            scheme,
            step: vec![step],
            steps,
            every: steps.max(1),
            noise: None,
            windings: false,
            submission: Duration::from_millis(100),
        }
    }

    /// Samples the observables at the start and after every `every` steps.
    pub fn every(self, every: usize) -> RunOptions {
        RunOptions { every, ..self }
    }

    /// A step size of each sample's own.
    pub fn step_sizes(self, step: &[f32]) -> RunOptions {
        RunOptions { step: step.to_vec(), ..self }
    }

    /// Adds noise; for [`Scheme::Euler`] (Euler-Maruyama) and [`Scheme::Heun`].
    pub fn noise(self, noise: Stochastic) -> RunOptions {
        RunOptions { noise: Some(noise), ..self }
    }

    /// Counts the whole turns of every oscillator since the start, if nobody makes half a turn in one step.
    pub fn windings(self) -> RunOptions {
        RunOptions { windings: true, ..self }
    }

    /// About how long the device works on one submission, 100 ms unless said otherwise: watchdogs of drivers end what takes
    /// seconds.
    pub fn submission(self, time: Duration) -> RunOptions {
        RunOptions { submission: time, ..self }
    }
}
