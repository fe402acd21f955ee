//! A block that is run in a loop with the same weights, and how its input gets in: what looped transformers, iterated
//! attention and fixed-point models have in common.

use super::akorn::Run;
use super::parameters::{Bound, Builder, Initial, Role};
use crate::error::{Error, ErrorKind, Result};
use crate::kernel::DType;
use crate::tape::{Stepped, Tape, Var};

/// How the input `e` joins the state `x` before each round: what the block sees.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Injection {
    /// `x + e`.
    Add,
    /// `W x + V e + b`: a linear map of `x` and `e` beside each other.
    Linear,
    /// `exp(-dt A) x + dt B e` with a rate `A > 0` and a step `dt > 0` per channel, as in Parcae: the linear part of the
    /// loop has a spectral radius below 1 whatever is learned. See [`Tape::decay`].
    Decay,
}

/// Options of a loop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LoopedConfig {
    /// Channels of state and input.
    pub channels: usize,
    /// The axis of the channels, after the first.
    pub axis: usize,
    /// How the input gets in.
    pub injection: Injection,
}

/// What a loop computed.
#[derive(Clone, Debug)]
pub struct Rounds {
    /// The state after the last round.
    pub state: Var,
    /// The states after each round if they were asked for.
    pub states: Vec<Var>,
}

/// `x <- block(inject(x, e))`, with the same weights in every round.
#[derive(Clone, Debug)]
pub struct Looped {
    config: LoopedConfig,
    prefix: String,
}

impl Looped {
    /// A loop whose parameters' names begin with `prefix`.
    ///
    /// # Errors
    /// `Param` without channels or for axis 0.
    pub fn new(config: LoopedConfig, prefix: impl Into<String>) -> Result<Looped> {
        if config.channels == 0 || config.axis == 0 {
            let got = format!("{} channels along axis {}", config.channels, config.axis);
            let wanted = "channels along an axis after the first";
            return Err(Error::argument(ErrorKind::Param, "Looped", "options", got, wanted));
        }
        Ok(Looped { config, prefix: prefix.into() })
    }

    /// The options.
    pub fn config(&self) -> &LoopedConfig {
        &self.config
    }

    fn name(&self, rest: &str) -> String {
        format!("{}inject.{rest}", self.prefix)
    }

    /// Adds the parameters of the injection: none to add, `inject.state.weight`, `inject.input.weight` and
    /// `inject.input.bias` for the linear map, `inject.log_rate`, `inject.raw_step` (both zero: a factor of one half) and
    /// `inject.input.weight` for the decay. The block's own are the caller's.
    pub fn parameters(&self, builder: &mut Builder) {
        let channels = self.config.channels;
        match self.config.injection {
            Injection::Add => {}
            Injection::Linear => {
                // Twice the inputs of each map alone.
                let spread = || Initial::Uniform(1.0 / ((2 * channels) as f32).sqrt());
                for (name, shape) in [("state.weight", 2), ("input.weight", 2), ("input.bias", 1)] {
                    builder.add(self.name(name), &[channels; 2][..shape], Role::Learned, spread());
                }
            }
            Injection::Decay => {
                for name in ["log_rate", "raw_step"] {
                    builder.add(self.name(name), &[channels], Role::Learned, Initial::Constant(0.0));
                }
                builder.affine(&self.name("input"), &[channels, channels], false);
            }
        }
    }

    /// `run.steps` rounds from the state `x` with the input `e`, of the same extents. What `block` needs of the tape,
    /// weights above all, has to be among `shared`, which it gets as its last argument: with
    /// [`Storage::Every`](crate::Storage::Every) the rounds run on tapes of their own.
    ///
    /// # Errors
    /// `Shape`, `DType`; as [`Tape::repeat`]; whatever `block` returns.
    pub fn forward(
        &self,
        tape: &mut Tape,
        bound: &Bound,
        [x, e]: [Var; 2],
        shared: &[Var],
        run: &Run,
        block: impl Fn(&mut Tape, Var, &[Var]) -> Result<Var> + 'static,
    ) -> Result<Rounds> {
        let LoopedConfig { channels, axis, injection } = self.config;
        let get = |rest: &str| bound.get(&self.name(rest));
        // What of the injection does not change from round to round comes first among the shared values.
        let mut all = match injection {
            Injection::Add => vec![e],
            Injection::Linear => {
                vec![tape.linear(e, get("input.weight")?, Some(get("input.bias")?), axis)?, get("state.weight")?]
            }
            Injection::Decay => {
                let [keep, step] = tape.decay(get("log_rate")?, get("raw_step")?)?;
                let zero = tape.fill(0.0, &[channels], DType::F32)?;
                let input = tape.linear(e, get("input.weight")?, None, axis)?;
                vec![tape.scale_bias(input, step, zero, axis)?, keep, zero]
            }
        };
        let own = all.len();
        all.extend_from_slice(shared);
        let record = run.record;
        let step = move |tape: &mut Tape, carried: &[Var], shared: &[Var]| {
            let (own, shared) = shared.split_at(own);
            let kept = match injection {
                Injection::Add => carried[0],
                Injection::Linear => tape.linear(carried[0], own[1], None, axis)?,
                Injection::Decay => tape.scale_bias(carried[0], own[1], own[2], axis)?,
            };
            let seen = tape.add(kept, own[0])?;
            let state = block(tape, seen, shared)?;
            Ok(Stepped { carried: vec![state], emitted: record.then_some(state).into_iter().collect() })
        };
        let repeated = tape.repeat(run.steps, run.storage, &[x], &all, step)?;
        Ok(Rounds { state: repeated.carried[0], states: repeated.emitted.concat() })
    }
}
