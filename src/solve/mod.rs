//! Fixed points `z = f(z, p)` of recorded steps, per sample, and their gradients.
//!
//! `f` is any function that records ops on a tape: it gets a state f32 `[samples, ...]` and the parameters, and returns the
//! next state of the same extents. It must compute the same each time and treat samples apart: then every sample
//! converges, fails and is differentiated by itself, and no result depends on the batch.
//!
//! ```
//! use kuramoto::solve::{Adjoint, Implicit, Method, SolveOptions, fixed_point};
//! use kuramoto::{DType, Result, Tape};
//!
//! fn main() -> Result<()> {
//!     let mut tape = Tape::reference(); // or Tape::new(&context)
//!     let w = tape.upload(&[0.4, -0.3, 0.2, 0.5], &[2, 2], DType::F32)?;
//!     let b = tape.upload(&[0.1, -0.2], &[2], DType::F32)?;
//!     let start = tape.upload(&[0.0; 6], &[3, 2], DType::F32)?;
//!     let (w, b, start) = (tape.leaf(w), tape.leaf(b), tape.constant(start));
//!     let options = SolveOptions::new(Method::anderson(5), 1e-6, 50);
//!     let adjoint = Adjoint::Implicit(Implicit::like(&options));
//!     // Parameters are handed over; a captured variable of `tape` would be refused as `Foreign`.
//!     let found = fixed_point(&mut tape, start, &[w, b], |tape, z, p| {
//!         let a = tape.linear(z, p[0], Some(p[1]), 1)?;
//!         tape.tanh(a)
//!     }, &options, &adjoint)?;
//!     let z = found.converged()?; // or best(): the state of least residual, whatever became of the solve
//!     println!("{:?}", found.solution().samples()[0]);
//!     let loss = tape.dot(z, z)?;
//!     let gradients = tape.backward(loss)?; // an adjoint that fails is an error here
//!     println!("{:?} by {:?}", gradients.read(&mut tape, w)?, found.adjoint());
//!     Ok(())
//! }
//! ```
//!
//! [`solve`] is the same without a gradient, on values. [`Joint`] makes one state of several. [`spectral_radius`] says how
//! fast either iteration converges, [`jacobian_norm`] and [`jacobian_penalty`] how far `f` is from having a hard one.
//!
//! What a step costs besides `f`: with a window of `m`, `3 m + 4` reads and 3 to 5 writes of the state in three kernels.
//! Memory is `2 m + 5` states whatever the number of iterations is. On a device the host never waits for a single
//! iteration: it records [`SolveOptions::check_every`] of them, submits, and reads an older flag while those run.

mod adjoint;
mod fixed_point;
mod iterate;
mod joint;
mod options;
mod report;
mod spectrum;

pub use adjoint::{Adjoint, AdjointReport, AdjointStatus, Implicit};
pub use fixed_point::{Equilibrium, fixed_point, solve};
pub use joint::Joint;
pub use options::{Method, Regularisation, SolveOptions};
pub use report::{Sample, Solution, Status};
pub use spectrum::{jacobian_norm, jacobian_penalty, spectral_radius};
