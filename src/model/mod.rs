//! Models made of ops, with their parameters under the names that published checkpoints use.
//!
//! A model is a plain description with a `parameters` method, which makes initial values, and a `forward` method, which
//! records on a [`Tape`](crate::Tape) of either backend. [`Parameters`] go onto a backend with [`Parameters::place`];
//! a [`Trainer`] also keeps what an optimiser needs.

pub mod akorn;
pub mod attractor;
pub mod equivariant;
mod fast_slow;
#[cfg(feature = "weights")]
mod files;
pub mod fixed_query;
mod looped;
mod parameters;
pub mod position;
mod snapshot;
mod time_multiplexed;
pub mod torus;
mod trainer;
pub mod transformer;
pub mod vote;

pub use fast_slow::{FastSlow, FastSlowConfig, FastSlowStream, Mixing};
pub use looped::{Injection, Looped, LoopedConfig, Rounds};
pub use parameters::{Bound, Builder, Initial, Parameter, Parameters, Placed, Role};
pub use snapshot::Snapshot;
pub use time_multiplexed::{TimeMultiplexed, TimeMultiplexedConfig};
pub use trainer::{BatchStatistics, Trainer, TrainerOptions};
