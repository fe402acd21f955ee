//! The tests of the parts of `examples/charlm` that need no device: cargo does not run those of an example.

#[path = "../examples/charlm/text.rs"]
#[allow(dead_code)]
mod text;
