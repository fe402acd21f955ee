//! Times of one case: by the device's clock, and what the host pays to record it.

use std::time::{Duration, Instant};

use kuramoto::ops::spec::{Case, Fill, Port};
use kuramoto::{Commands, Context, DType, Result, Span, StepOptions, Tape, Tensor, Value, Var};
use serde::{Deserialize, Serialize};

use super::steady;
use super::trace::Trace;
use crate::inputs::Numbers;

/// Times of one case. Files of earlier versions have the medians only.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Timed {
    pub op: String,
    pub variant: String,
    pub dtype: String,
    pub case: String,
    /// The median, in microseconds.
    pub forward_us: f64,
    /// Absent for an op without a backward pass.
    pub backward_us: Option<f64>,
    #[serde(default)]
    pub forward: Option<Pass>,
    #[serde(default)]
    pub backward: Option<Pass>,
    /// What the host pays to record a dispatch of the forward pass, in microseconds.
    #[serde(default)]
    pub host_us: Option<f64>,
}

/// What a pass is besides its median.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Pass {
    /// Half the distance between the quartiles, as a part of the median.
    pub spread: f64,
    pub repeats: usize,
    pub dispatches: usize,
    /// Each tensor that a dispatch binds, read or written once, or both where it is updated in place.
    pub bytes: u64,
    /// Floating-point operations, as the op states them.
    pub flops: u64,
}

impl Timed {
    /// `op/variant/dtype/case`: what tells it from others.
    pub fn name(&self) -> String {
        format!("{}/{}/{}/{}", self.op, self.variant, self.dtype, self.case)
    }
}

/// How often a case is repeated: at least [`LEAST`] times, then until the time is over.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    pub seconds: f64,
}

const LEAST: usize = 5;
const MOST: usize = 200;

/// Dispatches of the chain that the host's cost is taken from.
const CHAIN: u64 = 64;

/// Times `case` and appends its last repeat to `trace`.
pub fn time(
    context: &Context,
    case: &Case,
    dtype: DType,
    differentiable: bool,
    effort: Effort,
    trace: &mut Trace,
) -> Result<Timed> {
    let prepared = Prepared::new(context, case, dtype, differentiable)?;
    let mut record = |commands: &mut Commands| record(context, commands, case, &prepared);
    let warm = steady::settle(context, &mut record)?;
    let (mut forward, mut backward) = (Samples::default(), Samples::default());
    let begin = Instant::now();
    let (mut done, mut last) = (0, None);
    while done < MOST && (done < LEAST || begin.elapsed() <= Duration::from_secs_f64(effort.seconds)) {
        // As many repeats that count as others before them.
        let count = warm.clamp(1, MOST - done);
        for run in steady::measure(context, count, warm, &mut record)? {
            let (first, second) = run.spans.split_at(run.value.split.min(run.spans.len()));
            forward.add(first);
            backward.add(second);
            last = Some(run);
        }
        done += count;
    }
    if let Some(run) = last {
        let name = format!("{}/{}/{dtype}/{}", case.op.name(), case.variant, case.label);
        trace.add(&name, run.value.host, &run.spans);
    }
    let has_backward = differentiable && backward.dispatches > 0;
    Ok(Timed {
        op: case.op.name().to_owned(),
        variant: case.variant.to_owned(),
        dtype: dtype.to_string(),
        case: case.label.clone(),
        forward_us: forward.median(),
        backward_us: has_backward.then(|| backward.median()),
        forward: Some(forward.pass()),
        backward: has_backward.then(|| backward.pass()),
        host_us: host(context, case, &prepared.inputs)?,
    })
}

/// Times of one pass, in microseconds, one per repeat; its work is the same in each.
#[derive(Default)]
struct Samples {
    times: Vec<f64>,
    dispatches: usize,
    bytes: u64,
    flops: u64,
}

impl Samples {
    fn add(&mut self, spans: &[Span]) {
        self.times.push(spans.iter().map(|span| span.nanos).sum::<f64>() / 1e3);
        self.dispatches = spans.len();
        self.bytes = spans.iter().map(|span| span.bytes).sum();
        self.flops = spans.iter().map(|span| span.flops).sum();
    }

    fn median(&self) -> f64 {
        quantile(&self.times, 0.5)
    }

    fn pass(&self) -> Pass {
        let spread = (quantile(&self.times, 0.75) - quantile(&self.times, 0.25)) / (2.0 * self.median().max(1e-9));
        let Samples { dispatches, bytes, flops, .. } = *self;
        Pass { spread, repeats: self.times.len(), dispatches, bytes, flops }
    }
}

/// The quantile by linear interpolation; NaN of nothing.
fn quantile(values: &[f64], at: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = at * sorted.len().saturating_sub(1) as f64;
    let below = sorted.get(place.floor() as usize).copied().unwrap_or(f64::NAN);
    let above = sorted.get(place.ceil() as usize).copied().unwrap_or(f64::NAN);
    below + (above - below) * place.fract()
}

/// What a case runs on, made once and kept on the device: making it anew for each repeat would let the device idle.
struct Prepared {
    inputs: Vec<Value>,
    /// Of the outputs, for the backward pass; none of an op without one.
    cotangents: Vec<Value>,
}

impl Prepared {
    fn new(context: &Context, case: &Case, dtype: DType, differentiable: bool) -> Result<Prepared> {
        let mut numbers = Numbers::new(1);
        let mut tape = Tape::new(context);
        let ports = case.op.inputs();
        let input = |(port, fill): (&Port, &Fill)| {
            let spec = port.spec(dtype);
            tape.upload(&numbers.fill(port, fill), &spec.shape, spec.dtype)
        };
        let inputs: Vec<Value> = ports.iter().zip(&case.fills).map(input).collect::<Result<_>>()?;
        let mut cotangents = Vec::new();
        if differentiable {
            let constants: Vec<Var> = inputs.iter().map(|value| tape.constant(value.clone())).collect();
            for output in case.op.apply(&mut tape, &constants)? {
                let spec = tape.spec(output)?;
                let data: Vec<f32> = (0..spec.len()).map(|_| numbers.signed()).collect();
                cotangents.push(tape.upload(&data, &spec.shape, spec.dtype)?);
            }
        }
        tape.submit()?;
        context.wait()?;
        Ok(Prepared { inputs, cotangents })
    }
}

/// What recording a run of a case gives.
struct Recorded {
    /// How many of its dispatches are the forward pass.
    split: usize,
    /// What recording took on the host.
    host: Duration,
}

fn record(context: &Context, commands: &mut Commands, case: &Case, prepared: &Prepared) -> Result<Recorded> {
    // A tape owns its recording, a profile lends its own: it goes into the tape and comes back.
    let placeholder = context.commands();
    let mut tape = Tape::from_commands(std::mem::replace(commands, placeholder));
    let leaves: Vec<Var> = prepared.inputs.iter().map(|value| tape.leaf(value.clone())).collect();
    let before = context.counters().dispatches;
    let begin = Instant::now();
    let outputs = case.op.apply(&mut tape, &leaves)?;
    let mut host = begin.elapsed();
    let split = (context.counters().dispatches - before) as usize;
    if !prepared.cotangents.is_empty() {
        let seeds: Vec<(Var, Value)> = outputs.into_iter().zip(prepared.cotangents.iter().cloned()).collect();
        let begin = Instant::now();
        tape.vjp(&seeds)?;
        host += begin.elapsed();
    }
    if let Some(recording) = tape.into_commands() {
        *commands = recording;
    }
    Ok(Recorded { split, host })
}

/// Microseconds of the host to record a dispatch: a chain of forward passes that is never submitted. Absent where a pass
/// has no kernel.
fn host(context: &Context, case: &Case, values: &[Value]) -> Result<Option<f64>> {
    let mut costs = Vec::new();
    for _ in 0..LEAST {
        let before = context.counters().dispatches;
        let mut tape = Tape::new(context);
        let constants: Vec<Var> = values.iter().map(|value| tape.constant(value.clone())).collect();
        let begin = Instant::now();
        let mut links = 0;
        while context.counters().dispatches - before < CHAIN && links < CHAIN {
            case.op.apply(&mut tape, &constants)?;
            links += 1;
        }
        let took = begin.elapsed();
        let made = context.counters().dispatches - before;
        if made == 0 {
            return Ok(None);
        }
        costs.push(took.as_secs_f64() * 1e6 / made as f64);
    }
    Ok(Some(quantile(&costs, 0.5)))
}

/// Steps of [`step_loop`].
const STEPS: usize = 500;

/// Microseconds of the host for a dispatch in a loop of projected steps on eight numbers, recorded and submitted: what a
/// program pays that runs a layer for many steps.
pub fn step_loop(context: &Context) -> Result<f64> {
    let numbers = [0.6f32, 0.8, 0.0, 1.0, 1.0, 0.0, 0.8, 0.6];
    let start = Tensor::from_slice(context, &numbers, &[1, 4, 2], DType::F32)?;
    let gamma = Tensor::from_slice(context, &[0.1], &[1], DType::F32)?;
    let mut costs = Vec::new();
    for _ in 0..4 * LEAST {
        let before = context.counters().dispatches;
        let begin = Instant::now();
        let mut commands = context.commands();
        let mut x = start.clone();
        for _ in 0..STEPS {
            x = commands.sphere_step(&x, &start, &gamma, None, &StepOptions::new(2, 1))?.0;
        }
        commands.submit()?;
        let took = begin.elapsed();
        context.wait()?;
        costs.push(took.as_secs_f64() * 1e6 / (context.counters().dispatches - before).max(1) as f64);
    }
    Ok(quantile(&costs, 0.5))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_interpolate() {
        let values = [4.0, 1.0, 3.0, 2.0];
        assert_eq!(quantile(&values, 0.5), 2.5);
        assert_eq!(quantile(&values, 0.0), 1.0);
        assert_eq!(quantile(&values, 1.0), 4.0);
        assert_eq!(quantile(&[7.0], 0.25), 7.0);
        assert!(quantile(&[], 0.5).is_nan());
    }

    #[test]
    fn the_spread_is_half_the_distance_of_the_quartiles() {
        let samples = Samples { times: vec![8.0, 10.0, 10.0, 10.0, 12.0], dispatches: 1, bytes: 4, flops: 2 };
        assert_eq!(samples.pass().spread, 0.0);
        let samples = Samples { times: vec![8.0, 9.0, 10.0, 11.0, 12.0], ..samples };
        assert!((samples.pass().spread - 0.1).abs() < 1e-12);
    }
}
