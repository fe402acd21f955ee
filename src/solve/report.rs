//! What became of a solve.

use std::fmt;

use crate::cpu::solve_judge::{
    BEST, CONVERGED, CYCLE, DETAIL, DIVERGED, HISTORY, ITERATIONS, NON_FINITE, REMEMBERED, RESIDUAL, STAGNATED, STATUS,
};
use crate::error::{Error, ErrorKind, Result};
use crate::tape::Value;

/// How a sample ended.
///
/// There is no status for a state that leaves a manifold, because the solver knows none; an op that fails within `f`, a
/// timeout and a lost device are errors of the whole call.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Status {
    /// The residual is within the tolerance.
    Converged,
    /// It was the last iteration.
    MaxIters,
    /// Residual and state have grown past the limit.
    Diverged {
        /// The state's norm relative to its first.
        growth: f64,
    },
    /// An element of the state or of its image is NaN, infinite or at least 2^50.
    NonFinite {
        /// The iteration that made it, counted from 0.
        iteration: usize,
    },
    /// The best residual has not moved.
    Stagnated {
        /// For how many iterations; 1 if the state did not change at all.
        window: usize,
    },
    /// The state came back bit for bit, and the method remembers nothing else: it would go round for ever.
    Cycle {
        /// After this many iterations, 2 to 8.
        period: usize,
    },
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Status::Converged => write!(f, "converged"),
            Status::MaxIters => write!(f, "not converged after the last iteration"),
            Status::Diverged { growth } => write!(f, "diverged, grown {growth:.1e} times"),
            Status::NonFinite { iteration } => write!(f, "not finite at iteration {iteration}"),
            Status::Stagnated { window } => write!(f, "stagnated for {window} iterations"),
            Status::Cycle { period } => write!(f, "in a cycle of period {period}"),
        }
    }
}

/// What became of one sample.
#[derive(Clone, PartialEq, Debug)]
pub struct Sample {
    /// How it ended.
    pub status: Status,
    /// Updates of its state.
    pub iterations: usize,
    /// Evaluations of `f` that its iterations took: one more.
    pub evaluations: usize,
    /// The least residual, that of the state that is returned; infinite if there was none.
    pub residual: f64,
    /// The last residuals, oldest first, 64 at most.
    pub residuals: Vec<f64>,
}

impl Sample {
    /// The sample of a record of `solve_judge`.
    pub(super) fn of(record: &[f64]) -> Sample {
        let (iterations, detail) = (record[ITERATIONS] as usize, record[DETAIL]);
        let status = match record[STATUS] {
            CONVERGED => Status::Converged,
            DIVERGED => Status::Diverged { growth: detail },
            NON_FINITE => Status::NonFinite { iteration: iterations },
            STAGNATED => Status::Stagnated { window: detail as usize },
            CYCLE => Status::Cycle { period: detail as usize },
            _ => Status::MaxIters,
        };
        // What is not finite has no residual.
        let count = iterations + usize::from(!matches!(status, Status::NonFinite { .. }));
        let first = count.saturating_sub(REMEMBERED);
        let residuals = (first..count).map(|k| record[HISTORY + k % REMEMBERED]).collect();
        let residual = if record[BEST] >= NONE { f64::INFINITY } else { record[BEST] };
        Sample { status, iterations, evaluations: iterations + 1, residual, residuals }
    }
}

/// The best residual of a sample that had none yet.
const NONE: f64 = f32::MAX as f64;

/// A record that has not begun.
pub(super) fn fresh(record: &mut [f32]) {
    record[BEST] = f32::MAX;
    record[RESIDUAL] = f32::MAX;
}

/// States and what became of each sample. The state is had through [`Solution::converged`] or [`Solution::best`] alone, so
/// that a solve that failed never looks like one that worked.
#[derive(Clone, Debug)]
pub struct Solution {
    pub(super) best: Value,
    pub(super) samples: Vec<Sample>,
    pub(super) evaluations: usize,
}

impl Solution {
    /// The states, if every sample converged.
    ///
    /// # Errors
    /// `NonFinite` if a sample is not finite, `NotConverged` if another did not converge; the message names the first.
    pub fn converged(&self) -> Result<&Value> {
        demand("solve", &self.samples)?;
        Ok(&self.best)
    }

    /// The state of least residual of every sample, whatever became of it; the start where there was no finite residual.
    pub fn best(&self) -> &Value {
        &self.best
    }

    /// Whether every sample converged.
    pub fn is_converged(&self) -> bool {
        self.samples.iter().all(|sample| sample.status == Status::Converged)
    }

    /// One report per sample.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// How often `f` was evaluated for the whole batch, evaluations in vain among them.
    pub fn evaluations(&self) -> usize {
        self.evaluations
    }
}

/// Refuses samples that did not converge.
pub(super) fn demand(who: &str, samples: &[Sample]) -> Result<()> {
    let failed: Vec<usize> = (0..samples.len()).filter(|b| samples[*b].status != Status::Converged).collect();
    let is_non_finite = |b: &usize| matches!(samples[*b].status, Status::NonFinite { .. });
    let Some(first) = failed.iter().copied().find(is_non_finite).or(failed.first().copied()) else { return Ok(()) };
    let kind = if is_non_finite(&first) { ErrorKind::NonFinite } else { ErrorKind::NotConverged };
    let (Sample { status, residual, .. }, count) = (&samples[first], samples.len());
    let message = format!(
        "{who}: {} of {count} samples failed; sample {first}: {status}, least residual {residual:.1e}",
        failed.len()
    );
    Err(Error::new(kind, message))
}
