//! Judges a device: every op, variant, storage type and case against its reference.
//!
//! The gates, each of which catches what the others let through:
//! - **value**: every element within the error bound that the reference derives for it ([`Bound`]);
//!   outputs and all gradients, the latter for random cotangents;
//! - **guards**: memory behind every buffer must survive, and inputs end in NaN that no result may contain;
//!   outputs start as NaN;
//! - **repeat**: a second run gives the same bits;
//! - **integers**: where an op is linear, a twin with small integers must be exact;
//! - **laws**: unit norms and other properties that hold without a reference;
//! - **transpose**: `<v, Jᵀ w>` of the device against `<J v, w>` by dual numbers;
//! - **ladder**: the reference's gradients themselves, in f64, see [`ladder`].
//!
//! The hard tier of the bound must hold on any conforming device; the calibrated tier is demanded of software
//! adapters and reported for others.

mod inputs;
mod ladder;
mod report;
#[cfg(feature = "gpu")]
mod runner;

pub use ladder::{Rung, ladder};
pub use report::{Options, Outcome, Progress, Report, Row};
#[cfg(feature = "gpu")]
pub use runner::{run, run_ops};

#[cfg(doc)]
use crate::cpu::Bound;
