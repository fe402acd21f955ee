//! How steep a step is at a state: the spectral radius of its Jacobian and its mean square entry.

use super::adjoint::transposed;
use super::iterate::{Recorded, check_image, check_state};
use crate::cpu::noise::philox;
use crate::error::{Error, ErrorKind, Result};
use crate::kernel::DType;
use crate::tape::{Tape, Value, Var};

/// The spectral radius of `J = df/dz` at `z`, f32 `[samples, ...]`, per sample: `steps` steps of power iteration on the
/// transpose, from random signs; the estimate is the mean growth over the second half of them, which also averages what a
/// complex pair of eigenvalues does. Below 1 both Picard's iteration and its adjoint converge, at this rate.
///
/// Reads a vector back per step: a monitor, not a part of a training loop.
///
/// # Errors
/// `Param` for fewer than 2 steps; as [`solve`](super::solve).
pub fn spectral_radius(
    tape: &mut Tape,
    z: &Value,
    params: &[Value],
    f: impl Fn(&mut Tape, Var, &[Var]) -> Result<Var>,
    steps: usize,
    seed: u64,
) -> Result<Vec<f64>> {
    if steps < 2 {
        return Err(Error::argument(ErrorKind::Param, "spectral_radius", "steps", steps, "at least 2"));
    }
    recorded(tape, z, params, &f, |inner, z, image| radius_of(inner, z, image, steps, seed))
}

/// `|J^T e|^2 / n` per sample for random signs `e`, an unbiased estimate of `|J|_F^2 / n` (Hutchinson) with `n` elements a
/// sample. A value: the tape has no second derivatives. What can be trained is [`jacobian_penalty`].
///
/// # Errors
/// As [`solve`](super::solve).
pub fn jacobian_norm(
    tape: &mut Tape,
    z: &Value,
    params: &[Value],
    f: impl Fn(&mut Tape, Var, &[Var]) -> Result<Var>,
    seed: u64,
) -> Result<Vec<f64>> {
    recorded(tape, z, params, &f, |inner, z, image| {
        let spec = inner.spec(image)?;
        let e = inner.upload(&signs(spec.len(), seed), &spec.shape, DType::F32)?;
        let samples = spec.shape[0];
        let pulled = match transposed(inner, z, image, &e)? {
            Some(w) => inner.backend().read(&w)?,
            None => vec![0.0; spec.len()],
        };
        let len = spec.len().checked_div(samples).unwrap_or(0).max(1);
        Ok(pulled.chunks(len).map(|w| w.iter().map(|x| x * x).sum::<f64>() / len as f64).collect())
    })
}

/// `|f(z + s e) - f(z - s e)|^2 / (4 s^2 n)`, the mean over samples, for random signs `e`, as a variable with a gradient in
/// `params`: the functional of a finite step `s` itself, differentiated exactly. It is `|J e|^2 / n` up to a relative
/// `O(s^2)`, whose mean over `e` is that of `|J^T e|^2 / n`; the regularisation of Bai, Koltun and Kolter 2021 takes the
/// latter and needs second derivatives, which a tape does not have. Rounding leaves about `u |f| / s` of each difference,
/// so `s` near 1e-2 of the state's size suits f32.
///
/// # Errors
/// `Param` if `step` is not a positive number of f32; as [`solve`](super::solve).
pub fn jacobian_penalty(
    tape: &mut Tape,
    z: &Value,
    params: &[Var],
    f: impl Fn(&mut Tape, Var, &[Var]) -> Result<Var>,
    step: f32,
    seed: u64,
) -> Result<Var> {
    if !(step >= f32::MIN_POSITIVE && step.is_finite()) {
        return Err(Error::argument(ErrorKind::Param, "jacobian_penalty", "step", step, "a positive number"));
    }
    let spec = z.spec();
    check_state(&spec)?;
    let e = tape.upload(&signs(spec.len(), seed), &spec.shape, DType::F32)?;
    let (z, e) = (tape.constant(z.clone()), tape.constant(e));
    let (ahead, behind) = (tape.axpy(step, e, z)?, tape.axpy(-step, e, z)?);
    let (ahead, behind) = (f(tape, ahead, params)?, f(tape, behind, params)?);
    check_image(&tape.spec(ahead)?, &spec)?;
    let difference = tape.axpy(-1.0, behind, ahead)?;
    let square = tape.dot(difference, difference)?;
    tape.scale(1.0 / (4.0 * step * step * spec.len().max(1) as f32), square)
}

fn recorded<T>(
    tape: &mut Tape,
    z: &Value,
    params: &[Value],
    f: &Recorded,
    then: impl FnOnce(&mut Tape, Var, Var) -> Result<T>,
) -> Result<T> {
    let spec = z.spec();
    check_state(&spec)?;
    tape.apart(|inner| {
        let z = inner.leaf(z.clone());
        let params: Vec<Var> = params.iter().map(|value| inner.constant(value.clone())).collect();
        let image = f(inner, z, &params)?;
        check_image(&inner.spec(image)?, &spec)?;
        then(inner, z, image)
    })
}

/// Power iteration on the transpose of the Jacobian of `image` in `z`, per sample.
pub(super) fn radius_of(tape: &mut Tape, z: Var, image: Var, steps: usize, seed: u64) -> Result<Vec<f64>> {
    let spec = tape.spec(image)?;
    let samples = spec.shape[0];
    let len = spec.len().checked_div(samples).unwrap_or(0);
    if len == 0 {
        return Ok(vec![0.0; samples]);
    }
    let mut e = signs(spec.len(), seed);
    let mut growth = vec![0.0; samples];
    e.chunks_mut(len).for_each(|e| _ = normalise(e));
    for step in 0..steps {
        let given = tape.upload(&e, &spec.shape, DType::F32)?;
        e = match transposed(tape, z, image, &given)? {
            Some(w) => tape.backend().read(&w)?,
            None => vec![0.0; spec.len()],
        };
        for (e, growth) in e.chunks_mut(len).zip(&mut growth) {
            let norm = normalise(e);
            if step >= steps / 2 {
                *growth += norm.ln();
            }
        }
    }
    // A Jacobian that makes the vector vanish has no growth: the logarithm's -inf is a radius of 0.
    Ok(growth.into_iter().map(|sum| (sum / (steps - steps / 2) as f64).exp()).collect())
}

/// Divides by the norm and returns it; nothing and what is not finite stay.
fn normalise(e: &mut [f64]) -> f64 {
    let norm = e.iter().map(|x| x * x).sum::<f64>().sqrt();
    if norm > 0.0 && norm.is_finite() {
        e.iter_mut().for_each(|x| *x /= norm);
    }
    norm
}

/// Random signs.
fn signs(len: usize, seed: u64) -> Vec<f64> {
    let word = |i: usize| philox([(i / 128) as u32, 0, 0, 0], [seed as u32, (seed >> 32) as u32])[i / 32 % 4];
    (0..len).map(|i| if word(i) >> (i % 32) & 1 == 0 { 1.0 } else { -1.0 }).collect()
}
