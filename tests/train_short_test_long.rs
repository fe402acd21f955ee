//! The tests of the parts of `examples/train_short_test_long` that need no device: cargo does not run those of an example.

#[path = "../examples/train_short_test_long/strings.rs"]
mod strings;
