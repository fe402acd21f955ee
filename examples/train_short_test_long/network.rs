//! The networks that are compared: an embedding of the brackets, a core that carries a state along the string, a linear
//! readout of what may follow.

use kuramoto::model::akorn::Run;
use kuramoto::model::{
    Bound, Builder, FastSlow, FastSlowConfig, FastSlowStream, Initial, Injection, Looped, LoopedConfig, Mixing,
    Parameters, Role, TimeMultiplexed, TimeMultiplexedConfig,
};
use kuramoto::{DType, Result, Rotation, Stream, Tape, Value, Var};

use crate::strings::{CLASSES, Strings, TOKENS};

/// Channels of every state.
pub const CHANNELS: usize = 32;

/// Components of one oscillator.
const N: usize = 4;

/// What carries the state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Oscillators that make so many fast steps for each bracket.
    FastSlow(usize),
    /// `h' = tanh(W x + V h + b)`.
    Plain,
    /// A state that passes so often through one residual perceptron for each bracket, without spheres.
    Looped(usize),
}

impl Kind {
    /// What [`Kind::name`] says, back again.
    pub fn named(name: &str) -> Option<Kind> {
        if let Some(steps) = name.strip_prefix("fast-slow, T = ") {
            return Some(Kind::FastSlow(steps.parse().ok()?));
        }
        match name.strip_prefix("looped, ").and_then(|rest| rest.strip_suffix(" rounds")) {
            Some(rounds) => Some(Kind::Looped(rounds.parse().ok()?)),
            None => (name == Kind::Plain.name()).then_some(Kind::Plain),
        }
    }

    pub fn name(self) -> String {
        match self {
            Kind::FastSlow(steps) => format!("fast-slow, T = {steps}"),
            Kind::Plain => "plain recurrent".into(),
            Kind::Looped(rounds) => format!("looped, {rounds} rounds"),
        }
    }
}

enum Core {
    FastSlow(FastSlow, usize),
    Plain(TimeMultiplexed),
    Looped(Looped, usize),
}

/// A network without its parameters.
pub struct Network {
    core: Core,
}

/// What a network said of a part of the strings.
pub struct Said {
    /// One row of logits for each of `labels`.
    pub logits: Var,
    /// What may follow, in the order of the rows.
    pub labels: Vec<u32>,
    /// Which string and which place in it each row is about.
    pub places: Vec<(usize, usize)>,
}

/// A carried state, between tapes.
#[derive(Clone, Default)]
pub struct Carried(Option<Value>);

impl Network {
    pub fn new(kind: Kind) -> Result<Network> {
        let core = match kind {
            Kind::FastSlow(steps) => {
                // Without frequencies, and with a larger first step size than the source's 0.1: few fast steps have to
                // turn an oscillator far, and what it remembers should stay where the readout looks for it.
                let config = FastSlowConfig {
                    rotation: Rotation::None,
                    initial_gamma: 1.0,
                    ..FastSlowConfig::new(CHANNELS, N, Mixing::Dense)
                };
                Core::FastSlow(FastSlow::new(config, "core.")?, steps)
            }
            Kind::Plain => {
                Core::Plain(TimeMultiplexed::new(TimeMultiplexedConfig::plain(CHANNELS, CHANNELS), "core.")?)
            }
            Kind::Looped(rounds) => {
                let config = LoopedConfig { channels: CHANNELS, axis: 1, injection: Injection::Decay };
                Core::Looped(Looped::new(config, "core.")?, rounds)
            }
        };
        Ok(Network { core })
    }

    pub fn parameters(&self, seed: u64) -> Result<Parameters> {
        let mut builder = Builder::new(seed);
        builder.add("embed.weight", &[TOKENS, CHANNELS], Role::Learned, Initial::Normal(1.0));
        match &self.core {
            Core::FastSlow(cell, _) => cell.parameters(&mut builder)?,
            Core::Plain(layer) => layer.parameters(&mut builder),
            Core::Looped(looped, _) => {
                looped.parameters(&mut builder);
                builder.affine("core.mlp.0", &[2 * CHANNELS, CHANNELS], true);
                builder.affine("core.mlp.2", &[CHANNELS, 2 * CHANNELS], true);
            }
        }
        builder.affine("readout", &[CLASSES, CHANNELS], true);
        builder.finish()
    }

    /// Reads the tokens `part` of every string from the state `carried`, which is then the state behind them. The start
    /// of oscillators is drawn from `noise`; other states begin at zero.
    pub fn read(
        &self,
        tape: &mut Tape,
        bound: &Bound,
        carried: &mut Carried,
        strings: &Strings,
        part: std::ops::Range<usize>,
        noise: Stream,
    ) -> Result<Said> {
        let places: Vec<(usize, usize)> = match self.core {
            Core::Plain(_) => (0..strings.count).flat_map(|b| part.clone().map(move |t| (b, t))).collect(),
            _ => part.clone().flat_map(|t| (0..strings.count).map(move |b| (b, t))).collect(),
        };
        let states = match &self.core {
            Core::Plain(layer) => at_once(tape, bound, carried, layer, strings, part)?,
            Core::FastSlow(cell, steps) => {
                let mut stream = match carried.0.take() {
                    Some(state) => FastSlowStream::from_state(state),
                    None => FastSlowStream::new(cell, tape, strings.count, noise)?,
                };
                let drives = embed(tape, bound, strings, part)?;
                let states = stream.advance(cell, tape, bound, &drives, &Run::new(*steps))?;
                carried.0 = Some(stream.state().clone());
                tape.stack(&states)?
            }
            Core::Looped(looped, rounds) => {
                let mut x = match carried.0.take() {
                    Some(state) => tape.constant(state),
                    None => tape.fill(0.0, &[strings.count, CHANNELS], DType::F32)?,
                };
                let mut weights = Vec::new();
                for name in ["0.weight", "0.bias", "2.weight", "2.bias"] {
                    weights.push(bound.get(&format!("core.mlp.{name}"))?);
                }
                let mut states = Vec::new();
                for e in embed(tape, bound, strings, part)? {
                    x = looped.forward(tape, bound, [x, e], &weights, &Run::new(*rounds), residual)?.state;
                    states.push(x);
                }
                carried.0 = Some(tape.value(x)?.clone());
                tape.stack(&states)?
            }
        };
        let (w, b) = (bound.get("readout.weight")?, bound.get("readout.bias")?);
        let logits = tape.linear(states, w, Some(b), 2)?;
        let logits = tape.reshape(logits, &[places.len(), CLASSES])?;
        let labels = places.iter().map(|(b, t)| strings.labels[b * strings.length + t]).collect();
        Ok(Said { logits, labels, places })
    }
}

/// All steps in one dispatch: states `[count, steps, channels]`.
fn at_once(
    tape: &mut Tape,
    bound: &Bound,
    carried: &mut Carried,
    layer: &TimeMultiplexed,
    strings: &Strings,
    part: std::ops::Range<usize>,
) -> Result<Var> {
    let tokens: Vec<u32> =
        (0..strings.count).flat_map(|b| strings.tokens[b * strings.length..][part.clone()].to_vec()).collect();
    let indices = tape.upload(&tokens, &[strings.count, part.len()], DType::U32)?;
    let indices = tape.constant(indices);
    let x = tape.embedding(indices, bound.get("embed.weight")?, 2)?;
    let start = carried.0.take().map(|state| tape.constant(state));
    let states = layer.forward(tape, bound, x, start, part.start, part.len())?;
    if part.end < strings.length {
        // The last state of each string goes on: a copy through the host, which tests alone pay.
        let all = tape.read(states)?;
        let run = part.len() * CHANNELS;
        let last: Vec<f64> =
            (0..strings.count).flat_map(|b| all[b * run + run - CHANNELS..][..CHANNELS].to_vec()).collect();
        carried.0 = Some(tape.upload(&last, &[strings.count, CHANNELS], DType::F32)?);
    }
    Ok(states)
}

/// One drive `[count, channels]` for each token.
fn embed(tape: &mut Tape, bound: &Bound, strings: &Strings, part: std::ops::Range<usize>) -> Result<Vec<Var>> {
    let table = bound.get("embed.weight")?;
    part.map(|t| {
        let indices = tape.upload(&strings.column(&strings.tokens, t), &[strings.count], DType::U32)?;
        let indices = tape.constant(indices);
        tape.embedding(indices, table, 1)
    })
    .collect()
}
/// `x + W₂ relu(W₁ x + b₁) + b₂`.
fn residual(tape: &mut Tape, x: Var, weights: &[Var]) -> Result<Var> {
    let hidden = tape.linear(x, weights[0], Some(weights[1]), 1)?;
    let hidden = tape.relu(hidden)?;
    let change = tape.linear(hidden, weights[2], Some(weights[3]), 1)?;
    tape.add(x, change)
}
