#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod conformance;
pub mod cpu;
mod error;
#[cfg(feature = "gpu")]
mod gpu;
pub mod kernel;
pub mod model;
pub mod network;
pub mod ops;
pub mod solve;
mod tape;
#[cfg(feature = "weights")]
pub mod weights;

pub use cpu::couple_anchors::AnchorCoupling;
pub use cpu::equilibrate::{FlowMethod, FlowOptions};
pub use cpu::noise::{Distribution, Stream};
pub use cpu::phase_step::ExplicitScheme;
pub use error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
pub use gpu::{
    Bind, CachedPipelines, Choice, Commands, Context, Counters, Profile, Read, Span, Tensor, Work, read, update, write,
};
pub use kernel::{DType, Kernel};
pub use ops::adam::AdamOptions;
pub use ops::conv2d::ConvOptions;
pub use ops::couple_anchors::AnchorOptions;
pub use ops::couple_attention::{AttentionOptions, AttentionWeights};
pub use ops::couple_lattice::{Boundary, LatticeCoupling};
pub use ops::couple_phases::EdgeCoupling;
pub use ops::ema::{WarmUp, warmup_decay};
pub use ops::equilibrate::Equilibrated;
pub use ops::graph::Graph;
pub use ops::kuramoto_attention::PhaseCoupling;
pub use ops::loops::Loops;
pub use ops::matmul::MatmulOptions;
pub use ops::mean_field::MeanField;
pub use ops::readout_anchors::AnchorReadout;
pub use ops::sphere_step::{Rotation, StepOptions};
pub use ops::time_multiplexed::{Activation, RecurrenceOptions};
pub use ops::triangles::Triangles;
pub use tape::{Array, Backend, Grads, OpenSum, Repeated, Rule, Spec, Stepped, Storage, Tape, Value, Var};
#[cfg(feature = "gpu")]
pub use wgpu;
