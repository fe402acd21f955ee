//! The parts of `examples/network` that commands here need as well. An example is a program, so nothing can depend on it.

#![allow(dead_code, unused_imports)] // The example uses what the commands do not.

use crate::cache;

#[path = "../../examples/network/files/mod.rs"]
pub mod files;
#[path = "../../examples/network/graph.rs"]
pub mod graph;
#[path = "../../examples/network/sets.rs"]
pub mod sets;
