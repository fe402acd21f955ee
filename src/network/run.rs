//! Many steps in few submissions, observables sampled on the way.

use std::time::Instant;

use super::memory::Memory;
use super::observe::{Observable, order_parameter};
use super::options::RunOptions;
use super::scheme::Scheme;
use super::state::State;
use super::terms::Network;
use super::together::Together;
use crate::cpu::noise::{Distribution, Stream};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::Read;
use crate::kernel::DType;
use crate::tape::{Backend, Tape, Value};

/// How far a run is.
#[derive(Clone, Copy, Debug)]
pub struct RunProgress {
    /// Steps that are done.
    pub done: usize,
    /// Steps in all.
    pub total: usize,
}

/// An observable of a run.
#[derive(Clone, PartialEq, Debug)]
pub struct Observed {
    /// Its name.
    pub name: String,
    /// Extents of one sample.
    pub shape: Vec<usize>,
    /// One per sampled time.
    pub samples: Vec<Vec<f64>>,
}

/// Where a run went non-finite.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Breakdown {
    /// The first step whose result has a number that is not finite.
    pub step: usize,
    /// The sample.
    pub sample: usize,
    /// The node: the first of those that broke down in this step.
    pub node: usize,
}

/// What a run leaves.
#[derive(Clone, Debug)]
pub struct Record {
    /// Numbers of the steps after which the observables were sampled, the start as 0.
    pub steps: Vec<usize>,
    /// The observables, in the order they were asked for.
    pub observables: Vec<Observed>,
    /// The last state; after a breakdown, the last one known to be finite.
    pub end: State<Value>,
    /// The network, with the weights that [`Coupling::Adaptive`](super::Coupling::Adaptive) has at `end`.
    pub network: Network<Value>,
    /// Whole turns since the start, `[B, N]`, if they were asked for.
    pub windings: Option<Vec<i64>>,
    /// Whether the run broke down: then only what was sampled before is there.
    pub breakdown: Option<Breakdown>,
}

/// A state and what goes with it through a run.
#[derive(Clone)]
struct Moving {
    state: State<Value>,
    /// Weights may adapt.
    network: Network<Value>,
    /// Phases that are not wrapped.
    turned: Option<Value>,
    /// What delays need.
    memory: Option<Memory>,
}

impl Moving {
    /// A copy that later steps do not change.
    fn snapshot(&self, tape: &mut Tape) -> Result<Moving> {
        let memory = self.memory.as_ref().map(|memory| memory.snapshot(tape)).transpose()?;
        Ok(Moving { memory, ..self.clone() })
    }
}

struct Runner<'a> {
    options: &'a RunOptions,
    step: Value,
    noise: Option<(Value, Stream)>,
    /// The network as one whose steps go in one dispatch, if it is one: such a network does not change in a run.
    together: Option<Together>,
}

/// Runs a network from `start` and samples `observables` on the way; `progress` is told after each submission.
///
/// Weights of [`Coupling::Adaptive`](super::Coupling::Adaptive) take a step of Euler's scheme after each step of the phases,
/// for the phases that it began with: within a step they are constant, at any scheme.
///
/// A run that goes non-finite is no error: the record says where it broke down and keeps what was sampled before.
///
/// # Errors
/// `Param` for a step that is not positive and finite, `every` of 0, noise with a scheme that has no stochastic form, delays
/// with another scheme than Euler and Heun, weights that adapt with [`Scheme::Splitting`]; `Shape`; as [`Network::step`].
pub fn run(
    tape: &mut Tape,
    network: &Network<Value>,
    start: &State<Value>,
    options: &RunOptions,
    observables: &[Observable],
    progress: &mut dyn FnMut(RunProgress),
) -> Result<Record> {
    let batch = check(start, options)?;
    if network.adapts() && options.scheme == Scheme::Splitting {
        let wanted = "Euler, Heun or Rk4 for weights that adapt";
        return Err(Error::argument(ErrorKind::Param, "network::run", "scheme", "Splitting", wanted));
    }
    let runner = Runner::new(tape, network, start, options, batch)?;
    let mut record = Record {
        steps: vec![],
        observables: observables
            .iter()
            .map(|o| Observed { name: o.name.clone(), shape: vec![], samples: vec![] })
            .collect(),
        end: start.clone(),
        network: network.clone(),
        windings: None,
        breakdown: None,
    };
    let memory = Memory::of(tape, network, &start.theta, &options.step, options.scheme)?;
    let turned = options.windings.then(|| start.theta.clone());
    let mut moving = Moving { state: start.clone(), network: network.clone(), turned, memory };
    // The state at the last look, where the search for a breakdown begins.
    let mut known = (0, moving.snapshot(tape)?);
    let mut chunk = Chunk::default();
    let mut budget = 8;
    let mut clock = Instant::now();
    let mut step = 0;
    loop {
        let last = step == options.steps;
        if last || step.is_multiple_of(options.every) {
            chunk.add(step, observe(tape, &moving.network, &moving.state, observables)?);
        }
        if last || step >= known.0 + budget {
            // Whatever else is recorded, a node that is not finite shows in the order parameter.
            let watch = observe(tape, &moving.network, &moving.state, &[order_parameter(1)])?;
            let finite = chunk.finish(tape, watch, &mut record)?;
            if !finite {
                let breakdown = runner.locate(tape, known.0, &known.1, step)?;
                record.drop_from(breakdown.step);
                record.breakdown = Some(breakdown);
                record.end = known.1.state;
                record.network = known.1.network;
                return Ok(record);
            }
            progress(RunProgress { done: step, total: options.steps });
            let ratio = options.submission.as_secs_f64() / clock.elapsed().as_secs_f64().max(1e-6);
            // By a factor of two at a time: the first submissions also compile pipelines.
            budget = ((budget as f64 * ratio.clamp(0.5, 2.0)) as usize).clamp(1, 4096);
            known = (step, moving.snapshot(tape)?);
            clock = Instant::now();
        }
        if last {
            break;
        }
        // Nobody looks before the next step that is observed, or the next submission.
        let next = (step + 1).next_multiple_of(options.every).min(known.0 + budget).min(options.steps);
        let count = if runner.together.is_some() { next - step } else { 1 };
        moving = runner.advance(tape, &moving, step, count)?;
        step += count;
    }
    if let Some(turned) = &moving.turned {
        record.windings = Some(windings(tape, turned, &moving.state.theta)?);
    }
    record.end = moving.state;
    record.network = moving.network;
    Ok(record)
}

/// The number of samples, if the options fit the start.
fn check(start: &State<Value>, options: &RunOptions) -> Result<usize> {
    let refuse = |argument: &str, got: String, wanted: &str| {
        Err(Error::argument(ErrorKind::Param, "network::run", argument, got, wanted))
    };
    let shape = start.theta.spec().shape;
    let &[batch, _] = shape.as_slice() else {
        let got = format!("{shape:?}");
        return Err(Error::argument(ErrorKind::Shape, "network::run", "theta", got, "[samples, nodes]"));
    };
    if options.every == 0 {
        return refuse("every", "0".into(), "at least 1");
    }
    if let Some(step) = options.step.iter().find(|h| !(h.is_finite() && **h > 0.0)) {
        return refuse("step", step.to_string(), "a positive finite time");
    }
    if ![1, batch].contains(&options.step.len()) {
        return refuse("step", format!("{} sizes", options.step.len()), "one, or one per sample");
    }
    if let Some(noise) = &options.noise {
        if !matches!(options.scheme, Scheme::Euler | Scheme::Heun) {
            return refuse(
                "noise",
                format!("with {:?}", options.scheme),
                "Euler or Heun, which have a stochastic form",
            );
        }
        if noise.strength.len() != batch {
            return refuse("noise", format!("{} strengths", noise.strength.len()), "one per sample");
        }
        if let Some(strength) = noise.strength.iter().find(|s| !s.is_finite()) {
            return refuse("noise", strength.to_string(), "a finite strength");
        }
    }
    Ok(batch)
}

impl<'a> Runner<'a> {
    fn new(
        tape: &mut Tape,
        network: &Network<Value>,
        start: &State<Value>,
        options: &'a RunOptions,
        batch: usize,
    ) -> Result<Runner<'a>> {
        let sizes: Vec<f32> = (0..batch).map(|b| options.step[b % options.step.len()]).collect();
        let step = tape.upload(&sizes, &[batch], DType::F32)?;
        let noise = match &options.noise {
            None => None,
            Some(noise) => {
                let scaled: Vec<f32> = noise.strength.iter().zip(&sizes).map(|(s, h)| s * h.sqrt()).collect();
                Some((tape.upload(&scaled, &[batch], DType::F32)?, noise.stream))
            }
        };
        let is_software = match tape.backend() {
            #[cfg(feature = "gpu")]
            Backend::Device(commands) => commands.context().is_software(),
            Backend::Reference => false,
        };
        // Noise and turns are other kernels' work, step by step.
        let plain = options.noise.is_none() && !options.windings;
        let together = Together::of(network, start, options.scheme, is_software).filter(|_| plain);
        Ok(Runner { options, step, noise, together })
    }

    /// `count` steps; nothing of them stays but the last state.
    fn advance(&self, tape: &mut Tape, moving: &Moving, step: usize, count: usize) -> Result<Moving> {
        if let Some(together) = &self.together {
            let state = together.steps(tape, &moving.state, &self.step, count)?;
            return Ok(Moving { state, ..moving.clone() });
        }
        (step..step + count).try_fold(moving.clone(), |moving, step| self.advance_one(tape, &moving, step))
    }

    fn advance_one(&self, tape: &mut Tape, moving: &Moving, step: usize) -> Result<Moving> {
        tape.apart(|tape| {
            let network = moving.network.constant(tape)?;
            let state = moving.state.constant(tape);
            let mut memory = moving.memory.clone();
            let h = tape.constant(self.step.clone());
            let noise = match &self.noise {
                None => None,
                Some((strength, stream)) => {
                    let stream = Stream { step: stream.step.wrapping_add(step as u32), ..*stream };
                    let shape = tape.spec(state.theta)?.shape;
                    let draw = tape.noise(stream, Distribution::Gaussian, &shape, DType::F32)?;
                    Some((draw, tape.constant(strength.clone())))
                }
            };
            let next = match noise {
                None => network.step_with(tape, &state, h, self.options.scheme, &mut memory)?,
                Some(noise) => network.stochastic_step(tape, &state, h, noise, self.options.scheme, &mut memory)?,
            };
            let turned = match &moving.turned {
                None => None,
                Some(turned) => {
                    let turned = tape.constant(turned.clone());
                    let moved = tape.axpy(-1.0, state.theta, next.theta)?;
                    let moved = tape.phase_wrap(moved)?;
                    let turned = tape.add(turned, moved)?;
                    Some(tape.value(turned)?.clone())
                }
            };
            let network = match network.adapts() {
                false => moving.network.clone(),
                // The step itself saw the weights that it began with.
                true => {
                    let adapted = network.adapted(tape, state.theta, h)?;
                    adapted.try_map(|var| Ok(tape.value(*var)?.clone()))?
                }
            };
            Ok(Moving { state: next.value(tape)?, network, turned, memory: memory.map(Memory::next_step) })
        })
    }

    /// The first step after `from` and its first node that are not finite, known to come at step `to` at the latest.
    fn locate(&self, tape: &mut Tape, from: usize, start: &Moving, to: usize) -> Result<Breakdown> {
        let nodes = start.state.theta.spec().shape[1];
        let mut moving = start.snapshot(tape)?;
        for step in from..=to {
            for value in moving.state.values() {
                let numbers = tape.backend().read(&value)?;
                if let Some(at) = numbers.iter().position(|v| !v.is_finite()) {
                    return Ok(Breakdown { step, sample: at / nodes.max(1), node: at % nodes.max(1) });
                }
            }
            if step < to {
                moving = self.advance(tape, &moving, step, 1)?;
            }
        }
        let message = "network::run: an observable is not finite though every phase is";
        Err(Error::new(ErrorKind::NonFinite, message))
    }
}

/// What `observables` are of a state.
pub(super) fn observe(
    tape: &mut Tape,
    network: &Network<Value>,
    state: &State<Value>,
    observables: &[Observable],
) -> Result<Vec<Value>> {
    tape.apart(|tape| {
        let network = network.constant(tape)?;
        let state = state.constant(tape);
        let record = |o: &Observable| {
            let var = (o.probe)(tape, &network, &state)?;
            Ok(tape.value(var)?.clone())
        };
        observables.iter().map(record).collect()
    })
}

/// What was observed since the last readback.
#[derive(Default)]
struct Chunk {
    steps: Vec<usize>,
    values: Vec<Value>,
}

impl Chunk {
    fn add(&mut self, step: usize, values: Vec<Value>) {
        self.steps.push(step);
        self.values.extend(values);
    }

    /// Reads everything with one copy into the record; whether `watch` and all of it is finite.
    fn finish(&mut self, tape: &mut Tape, watch: Vec<Value>, record: &mut Record) -> Result<bool> {
        let (watched, kinds) = (self.values.len(), record.observables.len());
        self.values.extend(watch);
        let numbers = read_all(tape.backend(), &self.values)?;
        let mut at = 0;
        for (k, value) in self.values.iter().enumerate() {
            let spec = value.spec();
            let part = numbers.get(at..at + spec.len()).unwrap_or_default();
            at += spec.len();
            if k < watched
                && let Some(observed) = record.observables.get_mut(k % kinds)
            {
                observed.shape = spec.shape;
                observed.samples.push(part.to_vec());
            }
        }
        record.steps.append(&mut self.steps);
        self.values.clear();
        Ok(numbers.iter().all(|v| v.is_finite()))
    }
}

pub(super) fn read_all(backend: &mut Backend, values: &[Value]) -> Result<Vec<f64>> {
    match backend {
        #[cfg(feature = "gpu")]
        Backend::Device(commands) => {
            let tensors = values.iter().map(Value::tensor).collect::<Result<Vec<_>>>()?;
            let read: Read = commands.read_all_async(&tensors)?;
            Ok(read.wait()?.into_iter().map(f64::from).collect())
        }
        Backend::Reference => {
            let parts = values.iter().map(|value| Ok(value.array()?.data())).collect::<Result<Vec<_>>>()?;
            Ok(parts.concat())
        }
    }
}

impl Record {
    /// Forgets what was sampled at `step` and later.
    fn drop_from(&mut self, step: usize) {
        let keep = self.steps.iter().take_while(|s| **s < step).count();
        self.steps.truncate(keep);
        self.observables.iter_mut().for_each(|o| o.samples.truncate(keep));
    }
}

/// Whole turns: what phases that were not wrapped differ by from those that were.
fn windings(tape: &mut Tape, turned: &Value, theta: &Value) -> Result<Vec<i64>> {
    let (turned, theta) = (tape.backend().read(turned)?, tape.backend().read(theta)?);
    Ok(turned.iter().zip(theta).map(|(t, w)| ((t - w) / std::f64::consts::TAU).round() as i64).collect())
}
