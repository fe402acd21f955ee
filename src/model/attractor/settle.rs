//! Iterating a recorded map until it changes its state no more, and gradients that need none of the iterations.
//!
//! With `J = df/dy` at the fixed point, `v` the cotangent of `y*` and `u = v + Jᵀ u`, the parameters' cotangents are
//! `(df/dp)ᵀ u` (implicit function theorem). The memory of either pass is that of one evaluation of `f`.

use crate::error::{Error, ErrorKind, Result};
use crate::kernel::DType;
use crate::tape::{Backend, Tape, Value, Var, within};

/// When an iteration ends.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Limits {
    /// Iterations that are made in any case.
    pub at_least: usize,
    /// Iterations after which it ends in any case.
    pub at_most: usize,
    /// A sample is done when its relative residual `|f(y) - y| / |f(y)|` is below this.
    pub tolerance: f64,
}

impl Limits {
    /// Up to `at_most` iterations, until the residual is below `tolerance`.
    pub fn new(at_most: usize, tolerance: f64) -> Limits {
        Limits { at_least: 1, at_most, tolerance }
    }

    pub(super) fn check(&self, argument: &str) -> Result<()> {
        let Limits { at_least, at_most, tolerance } = *self;
        if at_most == 0 || at_least > at_most {
            let got = format!("{at_least} to {at_most} iterations");
            return Err(Error::argument(ErrorKind::Param, "settle", argument, got, "at least one, in order"));
        }
        if !(tolerance.is_finite() && tolerance > 0.0) {
            return Err(Error::argument(ErrorKind::Param, "settle", argument, tolerance, "a positive tolerance"));
        }
        Ok(())
    }
}

/// How a fixed point is differentiated.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Adjoint {
    /// `u = sum over i <= terms of (Jᵀ)^i v`. No terms is the one-step gradient `u = v` of the paper, one the `v + Jᵀ v`
    /// of its code. The error shrinks like the `terms`-th power of the spectral radius.
    Neumann {
        /// Products with `Jᵀ`.
        terms: usize,
    },
    /// `u = v + Jᵀ u` solved by iteration: the exact gradient of the fixed point. What has not converged when the limit is
    /// reached makes the backward pass fail.
    Implicit(Limits),
    /// From the fixed point, so many recorded steps `y <- (1 - tau) y + tau f(y)`, which also refine it; gradients flow
    /// through these and end there. Source: Geng et al. 2021 ("phantom gradient").
    Phantom {
        /// Recorded steps.
        steps: usize,
        /// Damping, in (0, 1].
        tau: f32,
    },
}

/// How a fixed point is found and differentiated.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Settle {
    /// When the search ends.
    pub limits: Limits,
    /// The gradient.
    pub adjoint: Adjoint,
    /// Whether a sample that has not converged at the limit is an error; else its [`Outcome`] says so.
    pub demanded: bool,
}

impl Settle {
    /// Until `limits`, with the gradient `u = v + Jᵀ v`; what does not converge is reported.
    pub fn new(limits: Limits) -> Settle {
        Settle { limits, adjoint: Adjoint::Neumann { terms: 1 }, demanded: false }
    }

    /// The same with another gradient.
    pub fn adjoint(self, adjoint: Adjoint) -> Settle {
        Settle { adjoint, ..self }
    }

    /// The same, where a sample that has not converged is an error.
    pub fn demanded(self) -> Settle {
        Settle { demanded: true, ..self }
    }
}

/// What became of one sample.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Outcome {
    /// Evaluations of `f` until it was done.
    pub iterations: usize,
    /// The relative residual of the last of them.
    pub residual: f64,
    /// Whether that is below the tolerance.
    pub converged: bool,
}

/// The fixed point of `y -> step(y, params)` from `start` `[B, ..]`, and each sample's outcome. A sample that is done is
/// frozen, so that no result depends on what else is in the batch. Gradients flow to `params`, none to `start`.
///
/// `step` gets variables of an inner tape: everything that it needs must be among `params`.
///
/// # Errors
/// `Param` for limits without an iteration or a positive tolerance and for a `tau` outside (0, 1]; `NonFinite` if a state
/// does not stay finite; `NotConverged` where that is demanded; `Shape` if `step` changes the extents; `Foreign`; whatever
/// `step` returns. The backward pass returns `NotConverged` for an implicit gradient that was not reached.
pub fn settle(
    tape: &mut Tape,
    start: Var,
    params: &[Var],
    options: &Settle,
    step: impl Fn(&mut Tape, Var, &[Var]) -> Result<Var> + 'static,
) -> Result<(Var, Vec<Outcome>)> {
    options.limits.check("limits")?;
    let start = tape.value(start)?.clone();
    let values = params.iter().map(|var| Ok(tape.value(*var)?.clone())).collect::<Result<Vec<Value>>>()?;
    let map = |tape: &mut Tape, y: &Value| {
        tape.apart(|tape| {
            let params: Vec<Var> = values.iter().map(|value| tape.constant(value.clone())).collect();
            let y = tape.constant(y.clone());
            let next = step(tape, y, &params)?;
            Ok(tape.value(next)?.clone())
        })
    };
    let (found, outcomes) = iterate(tape, start, &options.limits, map)?;
    if options.demanded {
        demand(&outcomes, "the fixed point", &options.limits)?;
    }
    let state = match options.adjoint {
        Adjoint::Phantom { steps, tau } => {
            if !(tau > 0.0 && tau <= 1.0) {
                return Err(Error::argument(ErrorKind::Param, "settle", "tau", tau, "above 0 and at most 1"));
            }
            let mut y = tape.constant(found);
            for _ in 0..steps {
                let next = step(tape, y, params)?;
                y = if tau == 1.0 {
                    next
                } else {
                    let kept = tape.scale(1.0 - tau, y)?;
                    tape.axpy(tau, next, kept)?
                };
            }
            y
        }
        Adjoint::Neumann { terms } => implicit(tape, found, values, params, Sum::Terms(terms), step)?,
        Adjoint::Implicit(limits) => {
            limits.check("adjoint")?;
            implicit(tape, found, values, params, Sum::All(limits), step)?
        }
    };
    Ok((state, outcomes))
}

/// Which terms of `u = v + Jᵀ v + ..` are summed.
#[derive(Clone, Copy)]
enum Sum {
    Terms(usize),
    All(Limits),
}

/// Records `found` as a function of `params`.
fn implicit(
    tape: &mut Tape,
    found: Value,
    values: Vec<Value>,
    params: &[Var],
    sum: Sum,
    step: impl Fn(&mut Tape, Var, &[Var]) -> Result<Var> + 'static,
) -> Result<Var> {
    let at = found.clone();
    let rule = move |backend: &mut Backend, v: &Value, needs: &[bool]| {
        within(backend, |tape| {
            let u = match sum {
                Sum::Terms(0) => v.clone(),
                _ => tape.apart(|tape| cotangent(tape, &at, &values, v, sum, &step))?,
            };
            let y = tape.constant(at.clone());
            let leaf = |(value, need): (&Value, &bool)| match need {
                true => tape.leaf(value.clone()),
                false => tape.constant(value.clone()),
            };
            let params: Vec<Var> = values.iter().zip(needs).map(leaf).collect();
            let next = step(tape, y, &params)?;
            let grads = tape.vjp(&[(next, u)])?;
            Ok(params.iter().map(|var| grads.get(*var).cloned()).collect())
        })
    };
    tape.push(found, params, rule)
}

/// `u`, from one recorded evaluation at the fixed point.
fn cotangent(
    tape: &mut Tape,
    at: &Value,
    values: &[Value],
    v: &Value,
    sum: Sum,
    step: &impl Fn(&mut Tape, Var, &[Var]) -> Result<Var>,
) -> Result<Value> {
    let params: Vec<Var> = values.iter().map(|value| tape.constant(value.clone())).collect();
    let y = tape.leaf(at.clone());
    let next = step(tape, y, &params)?;
    let pull = |tape: &mut Tape, u: &Value| -> Result<Value> {
        let grads = tape.vjp(&[(next, u.clone())])?;
        // A map that forgets its state has J = 0.
        let Some(pulled) = grads.get(y).cloned() else { return Ok(v.clone()) };
        tape.apart(|tape| {
            let (v, pulled) = (tape.constant(v.clone()), tape.constant(pulled));
            let sum = tape.add(v, pulled)?;
            Ok(tape.value(sum)?.clone())
        })
    };
    match sum {
        Sum::Terms(terms) => (0..terms).try_fold(v.clone(), |u, _| pull(tape, &u)),
        Sum::All(limits) => {
            let (u, outcomes) = iterate(tape, v.clone(), &limits, pull)?;
            demand(&outcomes, "the gradient", &limits)?;
            Ok(u)
        }
    }
}

/// Applies `map` until every sample is done.
fn iterate(
    tape: &mut Tape,
    start: Value,
    limits: &Limits,
    mut map: impl FnMut(&mut Tape, &Value) -> Result<Value>,
) -> Result<(Value, Vec<Outcome>)> {
    let spec = start.spec();
    let samples = spec.shape.first().copied().unwrap_or(0);
    let run = spec.shape.iter().skip(1).product::<usize>();
    let mut outcomes = vec![Outcome { iterations: 0, residual: f64::INFINITY, converged: false }; samples];
    let mut state = start;
    if spec.is_empty() {
        return Ok((state, outcomes));
    }
    for iteration in 1..=limits.at_most {
        let next = map(tape, &state)?;
        if next.spec() != spec {
            return Err(Error::argument(ErrorKind::Shape, "settle", "the step's result", next.spec(), spec));
        }
        let active: Vec<f32> = outcomes.iter().map(|outcome| if outcome.converged { 0.0 } else { 1.0 }).collect();
        let flat = [samples, run];
        let (merged, changes, sizes) = tape.apart(|tape| {
            let (old, new) = (tape.constant(state.reshape(&flat)?), tape.constant(next.reshape(&flat)?));
            let change = tape.axpy(-1.0, old, new)?;
            let (changes, sizes) = (tape.energy(change, change, None)?, tape.energy(new, new, None)?);
            let merged = match active.contains(&0.0) {
                true => {
                    let mask = tape.upload(&active, &[samples], DType::F32)?;
                    let mask = tape.constant(mask);
                    tape.blend(new, old, mask, 1)?
                }
                false => new,
            };
            let merged = tape.value(merged)?.reshape(&spec.shape)?;
            Ok((merged, tape.read(changes)?, tape.read(sizes)?))
        })?;
        state = merged;
        for (sample, outcome) in outcomes.iter_mut().enumerate().filter(|(_, outcome)| !outcome.converged) {
            // An energy is minus the square.
            let residual = (-changes[sample]).max(0.0).sqrt() / (-sizes[sample]).max(0.0).sqrt().max(1e-9);
            if !changes[sample].is_finite() || !sizes[sample].is_finite() {
                let message = format!("settle: sample {sample} is not finite after {iteration} iterations");
                return Err(Error::new(ErrorKind::NonFinite, message));
            }
            let converged = residual < limits.tolerance && iteration >= limits.at_least;
            *outcome = Outcome { iterations: iteration, residual, converged };
        }
        if outcomes.iter().all(|outcome| outcome.converged) {
            break;
        }
    }
    Ok((state, outcomes))
}

fn demand(outcomes: &[Outcome], what: &str, limits: &Limits) -> Result<()> {
    let Some(sample) = outcomes.iter().position(|outcome| !outcome.converged) else { return Ok(()) };
    let Outcome { iterations, residual, .. } = outcomes[sample];
    let message = format!(
        "settle: {what} of sample {sample} has residual {residual:.1e} after {iterations} iterations, expected below {:.1e}",
        limits.tolerance
    );
    Err(Error::new(ErrorKind::NotConverged, message))
}
