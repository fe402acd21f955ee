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

/// The same numbers in half the bits.
pub fn halved(tensors: &[Tensor]) -> Result<Vec<Tensor>> {
    let Some(first) = tensors.first() else { return Ok(vec![]) };
    let mut commands = first.context().commands();
    let halved = tensors.iter().map(|tensor| commands.cast(tensor, DType::F16)).collect();
    commands.submit()?;
    halved
}

/// The `k`-th input with groups of `n` numbers along `axis` divided by their lengths.
pub fn on_sphere(context: &Context, shape: &[usize], k: usize, axis: usize, n: usize) -> Result<Tensor> {
    let mut commands = context.commands();
    let x = commands.sphere_normalize(&tensor(context, shape, k, 1.0, 0.01)?, axis, n)?;
    commands.submit()?;
    Ok(x)
}

/// What both sides must agree on: the root of the mean square of the result plus one more input, so that neither a
/// result's sign nor its order goes unnoticed.
pub fn check(result: &[f64]) -> f64 {
    let square = result.iter().enumerate().map(|(i, value)| (value + f64::from(number(i, 97))).powi(2));
    (square.sum::<f64>() / result.len().max(1) as f64).sqrt()
}
