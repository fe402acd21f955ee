//! The fixed point of a saturating network, with its exact implicit gradients.

use kuramoto::Var;
use kuramoto::solve::{Adjoint, Implicit, Method, SolveOptions, fixed_point};

use super::session::{Case, Output, Session};
use crate::failure::Result;

/// All of them.
pub const CASES: &[Case] = &[Case { name: "fixed_point_tanh", attrs: &["spectral_norm"], build: saturating }];

fn saturating(session: &mut Session) -> Result<Vec<Output>> {
    let rho = session.number("spectral_norm")?;
    if !(rho > 0.0 && rho < 1.0) {
        return Err(session.unfit("spectral_norm", "a contraction, in (0, 1)"));
    }
    let (x, w, u, b) = (session.input("x")?, session.parameter("W")?, session.parameter("U")?, session.parameter("b")?);
    let shape = [session.tape.spec(x)?.shape[0], session.tape.spec(b)?.len()];
    // The residual of the file's description.
    let tolerance = if session.is_reference() { 1e-13 } else { 1e-7 };
    let options = SolveOptions::new(Method::Picard, tolerance, 400);
    let tape = &mut session.tape;
    let start = tape.upload(&vec![0.0f32; shape[0] * shape[1]], &shape, kuramoto::DType::F32)?;
    let start = tape.constant(start);
    let step = |tape: &mut kuramoto::Tape, z: Var, p: &[Var]| {
        let recurrent = tape.linear(z, p[0], Some(p[2]), 1)?;
        let driven = tape.linear(p[3], p[1], None, 1)?;
        let sum = tape.add(recurrent, driven)?;
        tape.tanh(sum)
    };
    let adjoint = Adjoint::Implicit(Implicit::like(&options));
    let found = fixed_point(tape, start, &[w, u, b, x], step, &options, &adjoint)?;
    Ok(vec![Output::new("z", found.converged()?)])
}
