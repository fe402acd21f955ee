//! How to solve.

use crate::cpu::solve_judge::{MOST, SLOTS};
use crate::error::{Error, ErrorKind, Result};

/// What keeps the coefficients of Anderson's mixture small.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Regularisation {
    /// This share of the mean square of the window's residuals: iterates scale with the problem.
    Relative(f64),
    /// A number, as in torchdeq and the attractor models' code: once squared residuals are well below it, the mixture is
    /// the mean of the window and slower than Picard's iteration.
    Absolute(f64),
}

/// How the next state is made.
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Method {
    /// `z = f(z)`.
    Picard,
    /// `z = (1 - tau) z + tau f(z)`, `tau` in (0, 1].
    Damped(f64),
    /// Anderson acceleration of type II (Walker and Ni 2011), with coefficients per sample.
    Anderson {
        /// How many of the last pairs are mixed, 1 to 8.
        window: usize,
        /// How far to go from the mixed states to the mixed values of `f`, in (0, 1].
        beta: f64,
        /// Of the least-squares problem.
        regularisation: Regularisation,
    },
    /// Broyden's good method (Broyden 1965, in the form of Kelley 1995): every step corrects an approximate Jacobian that
    /// begins as that of Picard's iteration, per sample. Its steps are forgotten once there are more than `memory`, and
    /// where a correction would leave the approximation close to singular.
    Broyden {
        /// How many of the last steps are kept, 1 to 31.
        memory: usize,
    },
}

impl Method {
    /// Anderson's with `beta` 1 and a relative regularisation of 1e-6, about 16 units of f32.
    pub fn anderson(window: usize) -> Method {
        Method::Anderson { window, beta: 1.0, regularisation: Regularisation::Relative(1e-6) }
    }

    /// Whether the ring holds steps.
    pub(super) fn is_secant(&self) -> bool {
        matches!(self, Method::Broyden { .. })
    }

    /// Slots of the ring, the share of the map, relative and absolute regularisation. Picard's and damped iterations are
    /// mixtures of one pair; Broyden's ring has one slot more than steps, for the residual.
    pub(super) fn mixture(&self) -> (usize, f64, f64, f64) {
        match *self {
            Method::Picard => (1, 1.0, 0.0, 0.0),
            Method::Damped(tau) => (1, tau, 0.0, 0.0),
            Method::Anderson { window, beta, regularisation: Regularisation::Relative(share) } => {
                (window, beta, share, 0.0)
            }
            Method::Anderson { window, beta, regularisation: Regularisation::Absolute(size) } => {
                (window, beta, 0.0, size)
            }
            Method::Broyden { memory } => (memory.saturating_add(1), 1.0, 0.0, 0.0),
        }
    }

    fn check(&self) -> Result<()> {
        let refuse = |argument: &str, got: f64, wanted: &str| {
            Err(Error::argument(ErrorKind::Param, "solve", argument, got, wanted))
        };
        let (window, beta, relative, absolute) = self.mixture();
        if !(beta > 0.0 && beta <= 1.0) {
            let argument = if matches!(self, Method::Damped(_)) { "tau" } else { "beta" };
            return refuse(argument, beta, "in (0, 1]");
        }
        if let Method::Broyden { memory } = *self {
            let wanted = format!("1 to {} steps", SLOTS - 1);
            return match (1..SLOTS).contains(&memory) {
                true => Ok(()),
                false => refuse("memory", memory as f64, &wanted),
            };
        }
        if !(1..=MOST).contains(&window) {
            return refuse("window", window as f64, &format!("1 to {MOST} pairs"));
        }
        for size in [relative, absolute] {
            if !(size >= 0.0 && size <= f64::from(f32::MAX)) {
                return refuse("regularisation", size, "a finite number of at least 0");
            }
        }
        Ok(())
    }
}

/// When to stop, and how.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct SolveOptions {
    /// How the next state is made.
    pub method: Method,
    /// A sample has converged when `|f(z) - z| <= tolerance max(|f(z)|, floor)`, Euclidean norms over the sample.
    pub tolerance: f64,
    /// Updates of the state at least, for samples that end well: before, none has converged.
    pub min_iterations: usize,
    /// Updates of the state at most; `f` is evaluated once more.
    pub max_iterations: usize,
    /// On a device, iterations between two looks at whether samples still run. The look is at the state of an iteration
    /// before, while these run, so at most twice as many are in vain.
    pub check_every: usize,
    /// A sample whose best residual falls by less than 1/1000 in this many iterations has stagnated; 0 for never.
    pub patience: usize,
    /// A sample has diverged when both its residual and its state have grown past this many times their first norms.
    pub divergence: f64,
    /// The least norm that a residual is relative to.
    pub floor: f64,
}

impl SolveOptions {
    /// No least number of iterations; looks every 8 iterations, patience 64, divergence at a growth of 1e6, floor 1e-9.
    pub fn new(method: Method, tolerance: f64, max_iterations: usize) -> SolveOptions {
        let (min_iterations, check_every, patience, divergence, floor) = (0, 8, 64, 1e6, 1e-9);
        SolveOptions { method, tolerance, min_iterations, max_iterations, check_every, patience, divergence, floor }
    }

    /// Refuses what makes no sense.
    pub(super) fn check(&self) -> Result<()> {
        let refuse = |argument: &str, got: f64, wanted: &str| {
            Err(Error::argument(ErrorKind::Param, "solve", argument, got, wanted))
        };
        self.method.check()?;
        for (argument, value) in [("tolerance", self.tolerance), ("floor", self.floor)] {
            if !(value >= f64::from(f32::MIN_POSITIVE) && value <= f64::from(f32::MAX)) {
                return refuse(argument, value, "a positive number of f32");
            }
        }
        if !(self.divergence > 1.0 && self.divergence <= f64::from(f32::MAX)) {
            return refuse("divergence", self.divergence, "a number of f32 above 1");
        }
        // Records count in f32.
        if self.max_iterations == 0 || self.max_iterations >= 1 << 24 {
            return refuse("max_iterations", self.max_iterations as f64, "1 to 2^24 - 1");
        }
        if self.min_iterations > self.max_iterations {
            let wanted = format!("at most max_iterations, {}", self.max_iterations);
            return refuse("min_iterations", self.min_iterations as f64, &wanted);
        }
        if self.patience >= 1 << 24 {
            return refuse("patience", self.patience as f64, "below 2^24");
        }
        if self.check_every == 0 {
            return refuse("check_every", 0.0, "at least 1");
        }
        Ok(())
    }
}
