//! Gradients of fixed points.
//!
//! With `z = f(z, p)`, `J = df/dz` and the cotangent `v` of `z`, the implicit function theorem gives the cotangent of `p`
//! as `(df/dp)^T u`, where `u = v + J^T u`. `J^T u` is one backward pass through one recorded evaluation of `f` at the fixed
//! point: no matrix is formed, and memory does not depend on how many iterations either solve takes. Sources: Bai, Kolter
//! and Koltun 2019 (implicit), Geng et al. 2021 (phantom), Fung et al. 2022 (one step).

use super::iterate::{Relative, iterate};
use super::options::SolveOptions;
use super::report::{Sample, Solution, Status};
use super::spectrum::radius_of;
use crate::error::{Error, ErrorKind, Result};
use crate::tape::{Storage, Tape, Value, Var};

/// How a fixed point is differentiated.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Adjoint {
    /// Exactly, by solving `u = v + J^T u`.
    Implicit(Implicit),
    /// `u = tau sum over i < steps of ((1 - tau) I + tau J^T)^i v`: what `steps` damped steps from the fixed point would
    /// pass on, with `J` taken there. Never fails; exact for `steps` without end where the damped iteration converges.
    Phantom {
        /// At least 1.
        steps: usize,
        /// In (0, 1].
        tau: f64,
        /// What no `J^T w` may be longer than, as a multiple of `w`, per sample: where it would be, it is shortened. So a map
        /// that stretches cannot blow a gradient up before training has made it contract. Not below 0.
        clip: Option<f64>,
    },
    /// Through every iteration that the solve took, of Picard's or damped kind, recorded again from `start`. The variable
    /// is the state after as many iterations as the slowest sample needed.
    Unrolled {
        /// What is kept for the backward pass.
        storage: Storage,
    },
}

impl Adjoint {
    /// `u = v`: the gradient of one step from the fixed point, also called Jacobian-free.
    pub fn one_step() -> Adjoint {
        Adjoint::neumann(0)
    }

    /// The first `k + 1` terms of Neumann's series, `u = sum over i <= k of (J^T)^i v`.
    pub fn neumann(k: usize) -> Adjoint {
        Adjoint::Phantom { steps: k.saturating_add(1), tau: 1.0, clip: None }
    }

    /// [`Adjoint::neumann`] whose every `J^T w` is at most `clip |w|` long. With `k = 1`, it is the gradient of the attractor
    /// models' code.
    pub fn neumann_clipped(k: usize, clip: f64) -> Adjoint {
        Adjoint::Phantom { steps: k.saturating_add(1), tau: 1.0, clip: Some(clip) }
    }

    pub(super) fn check(&self) -> Result<()> {
        let refuse = |argument: &str, got: f64, wanted: &str| {
            Err(Error::argument(ErrorKind::Param, "fixed_point", argument, got, wanted))
        };
        match *self {
            Adjoint::Implicit(implicit) => implicit.solve.check(),
            Adjoint::Phantom { steps: 0, .. } => refuse("steps", 0.0, "at least 1"),
            Adjoint::Phantom { tau, .. } if !(tau > 0.0 && tau <= 1.0) => refuse("tau", tau, "in (0, 1]"),
            Adjoint::Phantom { clip: Some(clip), .. } if !(clip >= 0.0 && clip <= f64::from(f32::MAX)) => {
                refuse("clip", clip, "a finite number of at least 0")
            }
            Adjoint::Phantom { .. } => Ok(()),
            Adjoint::Unrolled { storage: Storage::Every(0) } => refuse("storage", 0.0, "every 1st state or rarer"),
            Adjoint::Unrolled { .. } => Ok(()),
        }
    }
}

/// How the adjoint equation is solved.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Implicit {
    /// Method and limits. The tolerance is of `|v + J^T u - u| / |v|` per sample, so that a solution that grows without end
    /// is not taken for a good one.
    pub solve: SolveOptions,
    /// Whether a backward pass goes on with the best `u` of samples that did not converge; [`Equilibrium::adjoint`]
    /// tells. Otherwise it is an error.
    ///
    /// [`Equilibrium::adjoint`]: super::Equilibrium::adjoint
    pub accept_failure: bool,
}

impl Implicit {
    /// Failure is an error.
    pub fn new(solve: SolveOptions) -> Implicit {
        Implicit { solve, accept_failure: false }
    }

    /// Method, tolerance and limits of the forward solve: near the fixed point both converge at the same rate.
    pub fn like(solve: &SolveOptions) -> Implicit {
        Implicit::new(*solve)
    }

    /// Goes on with the best `u` where the equation could not be solved.
    pub fn accepting_failure(self) -> Implicit {
        Implicit { accept_failure: true, ..self }
    }
}

/// How an implicit adjoint ended.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum AdjointStatus {
    /// Every sample is within the tolerance.
    Converged,
    /// A sample is not, and `J` has an eigenvalue near 1 in size there: the fixed point is not isolated (a symmetry turns
    /// it into others) or is about to vanish. Its gradient along that direction does not exist. Remedies: pin the
    /// symmetry (a drive, a gauge), or a truncated adjoint, [`Adjoint::Phantom`].
    NearSingular {
        /// The estimate of the spectral radius of `J`, within 1/50 of 1.
        rho: f64,
    },
    /// A sample is not within the tolerance, for another reason.
    NotConverged {
        /// The estimate of the spectral radius of `J`, the largest among the samples that failed.
        rho: f64,
    },
}

/// What became of an implicit adjoint.
#[derive(Clone, PartialEq, Debug)]
pub struct AdjointReport {
    /// As a whole.
    pub status: AdjointStatus,
    /// One report per sample; residuals are relative to the cotangent.
    pub samples: Vec<Sample>,
    /// Backward passes through `f` for the whole batch.
    pub evaluations: usize,
}

impl AdjointReport {
    pub(super) fn demand(&self) -> Result<()> {
        let what = match self.status {
            AdjointStatus::Converged => return Ok(()),
            AdjointStatus::NearSingular { rho } => format!("near-singular, its spectral radius is about {rho:.4}"),
            AdjointStatus::NotConverged { rho } => format!("not converged, its spectral radius is about {rho:.4}"),
        };
        let worst = self.samples.iter().find(|sample| sample.status != Status::Converged);
        let (status, residual) = worst.map_or((Status::MaxIters, f64::NAN), |s| (s.status, s.residual));
        let message = format!(
            "fixed_point: the adjoint is {what} ({status}, least residual {residual:.1e}); a truncated adjoint (Phantom) \
             exists all the same"
        );
        Err(Error::new(ErrorKind::NotConverged, message))
    }
}

/// How near to 1 a radius must be to be named.
const NEAR: f64 = 0.02;
/// Steps of the estimate of the radius.
const POWER_STEPS: usize = 48;

/// `u` for the cotangent `v` of the fixed point `z` with the image `image`, both recorded on `tape`.
pub(super) fn pull(
    tape: &mut Tape,
    z: Var,
    image: Var,
    v: &Value,
    adjoint: &Adjoint,
) -> Result<(Value, Option<AdjointReport>)> {
    match *adjoint {
        Adjoint::Implicit(implicit) => {
            // From u = 0, whose image is v: no backward pass is needed for that one.
            let mut first = true;
            let zero = combine(tape, -1.0, v, v)?;
            let options = SolveOptions { floor: f64::from(f32::MIN_POSITIVE), ..implicit.solve };
            let solution = iterate(tape, &zero, &options, Relative::ToFirst, &mut |tape, u| {
                if std::mem::take(&mut first) {
                    return Ok(v.clone());
                }
                match transposed(tape, z, image, u)? {
                    Some(w) => combine(tape, 1.0, &w, v),
                    None => Ok(v.clone()),
                }
            })?;
            let status = judge(tape, z, image, &solution)?;
            let Solution { best, samples, evaluations } = solution;
            let evaluations = evaluations.saturating_sub(1);
            Ok((best, Some(AdjointReport { status, samples, evaluations })))
        }
        Adjoint::Phantom { steps, tau, clip } => {
            let tau = tau as f32;
            let begun = if tau == 1.0 { v.clone() } else { combine(tape, tau - 1.0, v, v)? };
            let mut u = begun.clone();
            for _ in 1..steps {
                let mut next = begun.clone();
                if tau != 1.0 {
                    next = combine(tape, 1.0 - tau, &u, &next)?;
                }
                if let Some(mut w) = transposed(tape, z, image, &u)? {
                    if let Some(clip) = clip {
                        w = tape.solve_clip(&w, &u, clip)?;
                    }
                    next = combine(tape, tau, &w, &next)?;
                }
                u = next;
            }
            Ok((u, None))
        }
        Adjoint::Unrolled { .. } => {
            Err(Error::new(ErrorKind::Param, "fixed_point: an unrolled solve has no adjoint equation"))
        }
    }
}

fn judge(tape: &mut Tape, z: Var, image: Var, solution: &Solution) -> Result<AdjointStatus> {
    if solution.is_converged() {
        return Ok(AdjointStatus::Converged);
    }
    let radii = radius_of(tape, z, image, POWER_STEPS, 1)?;
    let failed = solution.samples.iter().zip(radii).filter(|(sample, _)| sample.status != Status::Converged);
    let rho = failed.map(|(_, rho)| rho).fold(0.0, f64::max);
    Ok(match (rho - 1.0).abs() <= NEAR {
        true => AdjointStatus::NearSingular { rho },
        false => AdjointStatus::NotConverged { rho },
    })
}

/// `J^T u`; nothing if the image does not depend on the state.
pub(super) fn transposed(tape: &mut Tape, z: Var, image: Var, u: &Value) -> Result<Option<Value>> {
    Ok(tape.vjp_for(&[(image, u.clone())], &[z])?.get(z).cloned())
}

/// `alpha x + y`.
fn combine(tape: &mut Tape, alpha: f32, x: &Value, y: &Value) -> Result<Value> {
    tape.apart(|inner| {
        let (x, y) = (inner.constant(x.clone()), inner.constant(y.clone()));
        let sum = inner.axpy(alpha, x, y)?;
        Ok(inner.value(sum)?.clone())
    })
}
