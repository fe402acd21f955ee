//! The tests of the parts of `examples/train_shapes` that need no device: cargo does not run those of an example.

#[path = "../examples/train_shapes/clustering.rs"]
mod clustering;
#[path = "../examples/train_shapes/metrics.rs"]
mod metrics;
#[path = "../examples/train_shapes/scene.rs"]
mod scene;
