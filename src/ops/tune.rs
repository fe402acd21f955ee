//! Measuring which variant of a kernel is the fastest on a device.

use std::fmt;

use super::conv2d::ConvOptions;
use super::cooperative::serves;
use super::matmul::MatmulOptions;
use super::variant::Variant;
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::{Choice, Context, Tensor};
use crate::kernel::DType;
use crate::tape::{Tape, Value, Var};

/// An op with variants to choose among, by the extents that the choice depends on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tunable {
    /// A product of `[rows, depth]` and `[depth, columns]`.
    Matmul {
        /// Of the result.
        rows: usize,
        /// Of the result.
        columns: usize,
        /// What is summed.
        depth: usize,
    },
    /// A linear map from `depth` to `rows` channels.
    Linear {
        /// Channels of the result.
        rows: usize,
        /// Channels of the operand.
        depth: usize,
    },
    /// A convolution.
    Conv2d {
        /// Channels of the result.
        c_out: usize,
        /// Channels of the operand.
        c_in: usize,
        /// Side of the square kernel, odd.
        kernel: usize,
    },
}

/// What was measured and pinned.
#[derive(Clone, PartialEq, Debug)]
pub struct Tuned {
    /// The fastest.
    pub choice: Choice,
    /// Every candidate and its time, forward and backward, in microseconds.
    pub candidates: Vec<(&'static str, f64)>,
}

impl fmt::Display for Tuned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.choice)?;
        for (name, micros) in &self.candidates {
            write!(f, "  {name} {micros:.1} µs")?;
        }
        Ok(())
    }
}

/// Runs that warm up, and runs of which the median counts.
const WARM: usize = 2;
const RUNS: usize = 7;

/// Microseconds for which a GPU works before the runs that count, and runs of that at most.
const BUSY: f64 = 60_000.0;
const MOST: usize = 1000;

/// Tokens of the linear map and pixels of a side of the convolution: enough to fill a device, and no part of the choice.
const TOKENS: usize = 1024;
const SIDE: usize = 32;

/// Times every variant of `op` on this device, forward and backward, by its own clock, and pins the fastest. Takes some tens
/// of runs of each.
///
/// # Errors
/// `Param` for an extent of 0 or an even kernel, `Feature` without timestamps; whatever the op returns.
pub fn tune(context: &Context, op: Tunable, dtype: DType) -> Result<Tuned> {
    let (name, extents) = key(op);
    let is_even = matches!(op, Tunable::Conv2d { kernel, .. } if kernel.is_multiple_of(2));
    if extents.contains(&0) || is_even {
        return Err(Error::argument(
            ErrorKind::Param,
            "tune",
            "op",
            format!("{op:?}"),
            "extents above 0, an odd kernel",
        ));
    }
    let inputs = inputs(context, op, dtype)?;
    let before: Vec<Choice> = context.pinned();
    let mut candidates = Vec::new();
    let cooperates = serves(context, dtype)?;
    let variants: &[Variant] = if cooperates { &Variant::ALL } else { &Variant::TILED };
    for variant in variants.iter().map(|variant| variant.name()) {
        context.pin(&[Choice::new(name, dtype, &extents, variant)]);
        let timed = time(context, op, &inputs);
        if timed.is_err() {
            context.unpin();
            context.pin(&before);
        }
        candidates.push((variant, timed?));
    }
    let fastest =
        candidates.iter().min_by(|a, b| a.1.total_cmp(&b.1)).map_or(Variant::Plain.name(), |(variant, _)| variant);
    let choice = Choice::new(name, dtype, &extents, fastest);
    context.pin(std::slice::from_ref(&choice));
    Ok(Tuned { choice, candidates })
}

/// What pins are keyed by.
fn key(op: Tunable) -> (&'static str, Vec<usize>) {
    match op {
        Tunable::Matmul { rows, columns, depth } => ("matmul", vec![rows, columns, depth]),
        Tunable::Linear { rows, depth } => ("linear", vec![rows, depth]),
        Tunable::Conv2d { c_out, c_in, kernel } => ("conv2d", vec![c_out, c_in, kernel * kernel]),
    }
}

fn inputs(context: &Context, op: Tunable, dtype: DType) -> Result<Vec<Tensor>> {
    let shapes = match op {
        Tunable::Matmul { rows, columns, depth } => vec![vec![rows, depth], vec![depth, columns]],
        Tunable::Linear { rows, depth } => vec![vec![TOKENS, depth], vec![rows, depth]],
        Tunable::Conv2d { c_out, c_in, kernel } => {
            vec![vec![1, c_in, SIDE, SIDE], vec![c_out, c_in, kernel, kernel]]
        }
    };
    let tensor = |shape: &Vec<usize>| {
        // Zeros are faster on some devices.
        let numbers: Vec<f32> =
            (0..shape.iter().product()).map(|i: usize| (i * 7919 % 2003) as f32 / 1001.0 - 1.0).collect();
        Tensor::from_slice(context, &numbers, shape, dtype)
    };
    shapes.iter().map(tensor).collect()
}

/// The median time of forward and backward pass, in microseconds.
fn time(context: &Context, op: Tunable, inputs: &[Tensor]) -> Result<f64> {
    let mut times = Vec::with_capacity(RUNS);
    if context.is_software() {
        for run in 0..WARM + RUNS {
            let one = times_of(context, op, inputs, 1)?;
            times.extend(one.into_iter().filter(|_| run >= WARM));
        }
    } else {
        // A GPU that idles between runs lowers its clock: those that count follow others in the same recording. The first
        // estimate of how many is that of a slow clock, and too few.
        let mut warm = WARM;
        for _ in 0..2 {
            let last = times_of(context, op, inputs, warm)?.last().copied().unwrap_or(BUSY);
            warm = ((BUSY / last).ceil() as usize).clamp(WARM, MOST);
        }
        times.extend(times_of(context, op, inputs, warm + RUNS)?.into_iter().skip(warm));
    }
    times.sort_by(f64::total_cmp);
    Ok(times.get(times.len() / 2).copied().unwrap_or(f64::INFINITY))
}

/// The times of `runs` runs in one recording, in microseconds.
fn times_of(context: &Context, op: Tunable, inputs: &[Tensor], runs: usize) -> Result<Vec<f64>> {
    let run = |tape: &mut Tape| {
        let vars: Vec<Var> = inputs.iter().map(|input| tape.leaf(input)).collect();
        let out = match op {
            Tunable::Matmul { .. } => tape.matmul(vars[0], vars[1], MatmulOptions::default())?,
            Tunable::Linear { .. } => tape.linear(vars[0], vars[1], None, 1)?,
            Tunable::Conv2d { kernel, .. } => {
                let options = ConvOptions { padding: [kernel / 2; 2], ..ConvOptions::default() };
                tape.conv2d(vars[0], vars[1], None, options)?
            }
        };
        let cotangent: Value = tape.value(out)?.clone();
        tape.vjp(&[(out, cotangent)])?;
        Ok(())
    };
    let (_, profile) = Tape::profile(context, |tape| (0..runs).try_for_each(|_| tape.apart(run)))?;
    // The dispatches of a run are the same in each.
    let each = (profile.spans.len() / runs).max(1);
    Ok(profile.spans.chunks_exact(each).map(|run| run.iter().map(|span| span.nanos).sum::<f64>() / 1e3).collect())
}
