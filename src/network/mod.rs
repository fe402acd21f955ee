//! Networks of phase oscillators: what couples them, steps of time, runs with observables.
//!
//! ```text
//! first order:   theta_i' = F_i
//! second order:  inertia_i v_i' + damping_i v_i = F_i,  theta_i' = v_i
//! F_i = omega_i + sum over terms of K_b (the term's coupling at node i)
//! ```
//!
//! A [`Network`] is a list of [`Term`]s over values of a tape: every weight, frequency, lag and strength is a variable, so any
//! of them can be learned. The first axis of a state counts *samples*: strengths, lags, noise, step sizes and initial states
//! differ between samples, frequencies may. A sweep is one batch, and no sample depends on the others.
//!
//! Phases stay in `[-pi, pi]`; [`RunOptions::windings`] counts the whole turns.
//!
//! ```
//! use kuramoto::network::{Coupling, Network, RunOptions, Scheme, State, Term, order_parameter, run};
//! use kuramoto::{DType, Result, Tape};
//!
//! fn main() -> Result<()> {
//!     let mut tape = Tape::reference(); // or Tape::new(&context)
//!     let mut f32s = |data: &[f64], shape: &[usize]| tape.upload(data, shape, DType::F32);
//!     // Three oscillators, everybody coupled to everybody, at two strengths.
//!     let network = Network::first_order(
//!         f32s(&[-0.2, 0.0, 0.2], &[3])?,
//!         vec![Term { coupling: Coupling::MeanField { lag: f32s(&[0.0; 2], &[2])?, harmonic: 1 }, strength: f32s(&[0.1, 2.0], &[2])? }],
//!     );
//!     let start = State::at(f32s(&[0.0, 1.0, 2.0, 0.0, 1.0, 2.0], &[2, 3])?);
//!     let options = RunOptions::new(Scheme::Rk4, 0.05, 400).every(100);
//!     let record = run(&mut tape, &network, &start, &options, &[order_parameter(1)], &mut |_| ())?;
//!     println!("{:?}", record.observables[0].samples.last()); // [Re Z, Im Z] of both strengths
//!     Ok(())
//! }
//! ```

mod adaptive;
mod lohe;
mod lyapunov;
mod memory;
mod observe;
mod options;
mod patterns;
mod preset;
mod run;
mod scheme;
mod stability;
mod state;
mod stochastic;
mod terms;
mod together;

pub use crate::cpu::adapt_coupling::Adaptation;
pub use adaptive::{AdaptiveOptions, run_adaptive};
pub use lohe::{Lohe, LoheCoupling, LoheScheme};
pub use lyapunov::{LyapunovOptions, lyapunov};
pub use observe::{
    Observable, chimera_index, communities, local_order, mean_rate, metastability, order_parameter, phases, velocities,
};
pub use options::{RunOptions, Stochastic};
pub use patterns::{coupling_energy, edge_coherence, histogram, winding};
pub use preset::decision;
pub use run::{Breakdown, Observed, Record, RunProgress, run};
pub use scheme::Scheme;
pub use stability::{StepBound, step_bound};
pub use state::State;
pub use terms::{Coupling, Network, Swing, Term};
