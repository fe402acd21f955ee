//! What models are built of, above the ops.

pub mod position;
