//! The device layer, and the only one that names wgpu: context, tensors, one dispatch.

mod adapter;
mod arena;
mod cache;
mod choices;
mod commands;
mod context;
mod copy;
mod guard;
mod latch;
mod memory;
mod pipeline;
mod pool;
mod profile;
mod readback;
mod tensor;
mod trust;
mod validate;
mod warm;

pub use cache::CachedPipelines;
pub use choices::Choice;
pub use commands::{Bind, Commands, Work, read, update, write};
pub use context::{Context, Counters};
pub use profile::{Profile, Span};
pub use readback::Read;
pub use tensor::Tensor;
