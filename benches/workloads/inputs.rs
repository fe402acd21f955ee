//! Inputs from a formula, so that the peer has the same ones without a file.

use kuramoto::{Context, DType, Result, Tensor};

/// The `i`-th number of the `k`-th input, in `[-1, 1]`.
fn number(i: usize, k: usize) -> f32 {
    (((i * 7919 + k * 104_729) % 2003) as f64 / 1001.0 - 1.0) as f32
}

/// `len` numbers of the `k`-th input, `shift + scale` times.
pub fn numbers(len: usize, k: usize, scale: f32, shift: f32) -> Vec<f32> {
    (0..len).map(|i| shift + scale * number(i, k)).collect()
}

/// The `k`-th input as a tensor.
pub fn tensor(context: &Context, shape: &[usize], k: usize, scale: f32, shift: f32) -> Result<Tensor> {
    let len = shape.iter().product();
    Tensor::from_slice(context, &numbers(len, k, scale, shift), shape, DType::F32)
}
