//! Fixed points of recorded steps: values, and variables with a gradient.

use std::cell::RefCell;
use std::rc::Rc;

use super::adjoint::{Adjoint, AdjointReport, pull};
use super::iterate::{Recorded, Relative, check_image, check_state, iterate};
use super::options::{Method, SolveOptions};
use super::report::{Solution, demand};
use crate::error::{Error, ErrorKind, Result};
use crate::tape::{Backend, Stepped, Tape, Value, Var, within};

/// A fixed point on a tape.
#[derive(Clone, Debug)]
pub struct Equilibrium {
    var: Var,
    solution: Solution,
    adjoint: Rc<RefCell<Option<AdjointReport>>>,
}

impl Equilibrium {
    /// The variable, if every sample converged.
    ///
    /// # Errors
    /// As [`Solution::converged`].
    pub fn converged(&self) -> Result<Var> {
        demand("fixed_point", &self.solution.samples)?;
        Ok(self.var)
    }

    /// The variable, whatever became of the solve: the state of least residual of every sample.
    pub fn best(&self) -> Var {
        self.var
    }

    /// What became of the solve.
    pub fn solution(&self) -> &Solution {
        &self.solution
    }

    /// What became of the last implicit adjoint, once a backward pass has run it.
    pub fn adjoint(&self) -> Option<AdjointReport> {
        self.adjoint.borrow().clone()
    }
}

/// Solves `z = f(z, params)` from `start`, f32 `[samples, ...]`, without a gradient.
///
/// # Errors
/// `Param` for options out of range, `DType` or `Shape` if `start` is no state or `f` returns other extents, `Foreign` if
/// `f` uses a variable of another tape; whatever `f` returns. A sample that does not converge is no error here, but in
/// [`Solution::converged`].
pub fn solve(
    tape: &mut Tape,
    start: &Value,
    params: &[Value],
    f: impl Fn(&mut Tape, Var, &[Var]) -> Result<Var>,
    options: &SolveOptions,
) -> Result<Solution> {
    options.check()?;
    run(tape, start, params, &f, options)
}

fn run(tape: &mut Tape, start: &Value, params: &[Value], f: &Recorded, options: &SolveOptions) -> Result<Solution> {
    iterate(tape, start, options, Relative::ToImage, &mut |tape, y| {
        tape.apart(|inner| {
            let z = inner.constant(y.clone());
            let params: Vec<Var> = params.iter().map(|value| inner.constant(value.clone())).collect();
            let image = f(inner, z, &params)?;
            Ok(inner.value(image)?.clone())
        })
    })
}

/// Solves `z = f(z, params)` from the value of `start`, f32 `[samples, ...]`, as a variable with a gradient in `params` as
/// `adjoint` says. `start` gets a gradient from [`Adjoint::Unrolled`] alone: a fixed point does not depend on it.
///
/// `f` sees variables of an inner tape. Everything that it needs has to be among `params`: a variable of `tape` that it
/// captures is refused as `Foreign`, never a silent zero.
///
/// # Errors
/// As [`solve`]; `Param` if the adjoint's options are out of range or `Unrolled` meets a method other than Picard's or
/// damped iterations. [`Tape::backward`] fails with `NotConverged` if an implicit adjoint does, unless it was told to
/// accept that.
pub fn fixed_point(
    tape: &mut Tape,
    start: Var,
    params: &[Var],
    f: impl Fn(&mut Tape, Var, &[Var]) -> Result<Var> + 'static,
    options: &SolveOptions,
    adjoint: &Adjoint,
) -> Result<Equilibrium> {
    options.check()?;
    adjoint.check()?;
    let value = tape.value(start)?.clone();
    check_state(&value.spec())?;
    let mut values = Vec::with_capacity(params.len());
    for var in params {
        values.push(tape.value(*var)?.clone());
    }
    // Before anything runs: what can be unrolled, and how far each of its steps goes.
    let unrolled = match (*adjoint, options.method) {
        (Adjoint::Unrolled { storage }, Method::Picard) => Some((storage, 1.0)),
        (Adjoint::Unrolled { storage }, Method::Damped(tau)) => Some((storage, tau as f32)),
        (Adjoint::Unrolled { .. }, other) => {
            let wanted = "Picard or Damped: those are unrolled";
            return Err(Error::argument(ErrorKind::Param, "fixed_point", "method", format!("{other:?}"), wanted));
        }
        _ => None,
    };
    let solution = run(tape, &value, &values, &f, options)?;
    let report = Rc::new(RefCell::new(None));
    let found = |var, solution| Ok(Equilibrium { var, solution, adjoint: report.clone() });
    if let Some((storage, tau)) = unrolled {
        let steps = solution.samples.iter().map(|sample| sample.iterations).max().unwrap_or(0);
        let repeated = tape.repeat(steps, storage, &[start], params, move |tape, carried, params| {
            let image = f(tape, carried[0], params)?;
            Ok(Stepped { carried: vec![damped(tape, carried[0], image, tau)?], emitted: vec![] })
        })?;
        return found(repeated.carried[0], solution);
    }
    let (best, adjoint, told) = (solution.best.clone(), *adjoint, report.clone());
    let (state, spec) = (best.clone(), best.spec());
    let rule = move |backend: &mut Backend, cotangent: &Value, needs: &[bool]| {
        within(backend, |inner| {
            let z = inner.leaf(state.clone());
            let place = |(value, need): (&Value, &bool)| match need {
                true => inner.leaf(value.clone()),
                false => inner.constant(value.clone()),
            };
            let params: Vec<Var> = values.iter().zip(needs).map(place).collect();
            let image = f(inner, z, &params)?;
            check_image(&inner.spec(image)?, &spec)?;
            let (u, report) = pull(inner, z, image, cotangent, &adjoint)?;
            if report.is_some() {
                *told.borrow_mut() = report.clone();
            }
            if let (Some(report), Adjoint::Implicit(implicit)) = (report, adjoint) {
                if !implicit.accept_failure {
                    report.demand()?;
                }
            }
            let grads = inner.vjp_for(&[(image, u)], &params)?;
            Ok(params.iter().map(|var| grads.get(*var).cloned()).collect())
        })
    };
    let var = tape.push(best, params, rule)?;
    found(var, solution)
}

/// `(1 - tau) z + tau image`.
fn damped(tape: &mut Tape, z: Var, image: Var, tau: f32) -> Result<Var> {
    if tau == 1.0 {
        return Ok(image);
    }
    let step = tape.axpy(-1.0, z, image)?;
    tape.axpy(tau, step, z)
}
