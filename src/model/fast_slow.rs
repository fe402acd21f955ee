//! A fast-slow recurrence with oscillators at its core (arXiv 2604.01577): the state is carried along a whole stream of
//! observations and is never set back, and between two observations it makes several fast steps.
//!
//! With a slow index `s` for the observations and a drive `c_s` that the caller's encoder makes of each, a fast step is
//! ```text
//! y = attention(x + c),   J = W₂ relu(W₁ (x + c + y) + b₁) + b₂,   x ← Π(x + γ (Ω x + P_x J))
//! ```
//! `P_x` projects to the tangent space of every oscillator, `Π` normalises. What the source leaves open is our choice: no
//! normalisation within `J`, twice the channels as the hidden width, a Gaussian start that is normalised.

use super::akorn::{Run, Trajectory};
use super::parameters::{Bound, Builder, Initial, Role};
use super::position;
use crate::cpu::noise::{Distribution, Stream};
use crate::error::{Error, ErrorKind, Result};
use crate::kernel::DType;
use crate::ops::couple_attention::{AttentionOptions, AttentionWeights};
use crate::ops::sphere_step::{Rotation, StepOptions};
use crate::tape::{Stepped, Tape, Value, Var};

/// How the positions of a state mix before the perceptron.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mixing {
    /// Self-attention over a grid, with learned 2x2 position matrices; states are `[B, C, H, W]`.
    Attention {
        /// Heads; they divide the channels into an even number each.
        heads: usize,
        /// The grid `[H, W]`.
        grid: [usize; 2],
    },
    /// A linear map of the channels; states are `[B, C]`.
    Dense,
}

/// Options of a fast-slow cell.
#[derive(Clone, PartialEq, Debug)]
pub struct FastSlowConfig {
    /// Channels, a multiple of `n`.
    pub channels: usize,
    /// Components of one oscillator.
    pub n: usize,
    /// How positions mix.
    pub mixing: Mixing,
    /// Width of the perceptron within `J`.
    pub hidden: usize,
    /// The linear part `Ω`.
    pub rotation: Rotation,
    /// Whether `J` is projected to the tangent space.
    pub projection: bool,
    /// Where the learned step size `γ` begins.
    pub initial_gamma: f32,
    /// Where frequencies begin.
    pub initial_frequency: f32,
}

impl FastSlowConfig {
    /// A hidden width of twice the channels, one learned frequency from 1, projection, `γ` from 0.1.
    pub fn new(channels: usize, n: usize, mixing: Mixing) -> FastSlowConfig {
        FastSlowConfig {
            channels,
            n,
            mixing,
            hidden: 2 * channels,
            rotation: Rotation::Global,
            projection: true,
            initial_gamma: 0.1,
            initial_frequency: 1.0,
        }
    }
}

/// A fast-slow cell: its options and the prefix of its parameters' names.
#[derive(Clone, Debug)]
pub struct FastSlow {
    config: FastSlowConfig,
    prefix: String,
}

/// The carried state of one stream of observations per sample.
///
/// A stream outlives tapes: each [`FastSlowStream::advance`] goes on from where the last one ended, with the same bits as
/// if all observations had come at once. Gradients reach back to the start of the current call (truncated
/// backpropagation through time). On a device a tape has to be submitted, or read from, before another one goes on.
#[derive(Clone, Debug)]
pub struct FastSlowStream {
    state: Value,
}

impl FastSlow {
    /// A cell whose parameters' names begin with `prefix`.
    ///
    /// # Errors
    /// `Param` if `n < 2`, if the channels are no multiple of `n`, if `n` is odd with frequencies, without hidden
    /// channels, for an empty grid, or if the heads do not divide the channels into an even number each.
    pub fn new(config: FastSlowConfig, prefix: impl Into<String>) -> Result<FastSlow> {
        let refuse = |argument: &str, got: String, wanted: &str| {
            Err(Error::argument(ErrorKind::Param, "FastSlow", argument, got, wanted))
        };
        let FastSlowConfig { channels, n, hidden, rotation, .. } = config;
        if n < 2 || channels == 0 || channels % n != 0 {
            return refuse(
                "channels and n",
                format!("{channels} and {n}"),
                "n at least 2 and channels a multiple of it",
            );
        }
        if rotation.has_frequencies() && n % 2 != 0 {
            return refuse("n", n.to_string(), "even with frequencies, which turn pairs of components");
        }
        if hidden == 0 {
            return refuse("hidden", "0".into(), "at least one channel");
        }
        if let Mixing::Attention { heads, grid: [h, w] } = config.mixing {
            if heads == 0 || channels % heads != 0 || (channels / heads) % 2 != 0 {
                let got = format!("{heads} for {channels} channels");
                return refuse("heads", got, "a divisor of the channels that leaves an even number each");
            }
            if h == 0 || w == 0 {
                return refuse("grid", format!("[{h}, {w}]"), "a grid with positions");
            }
        }
        Ok(FastSlow { config, prefix: prefix.into() })
    }

    /// The options.
    pub fn config(&self) -> &FastSlowConfig {
        &self.config
    }

    fn name(&self, rest: &str) -> String {
        format!("{}{rest}", self.prefix)
    }

    /// Extents of the states, and of the drives, of `batch` samples.
    pub fn shape(&self, batch: usize) -> Vec<usize> {
        match self.config.mixing {
            Mixing::Attention { grid: [h, w], .. } => vec![batch, self.config.channels, h, w],
            Mixing::Dense => vec![batch, self.config.channels],
        }
    }

    /// Adds the cell's parameters.
    ///
    /// # Errors
    /// None for the options that [`FastSlow::new`] accepts.
    pub fn parameters(&self, builder: &mut Builder) -> Result<()> {
        let FastSlowConfig { channels, hidden, .. } = self.config;
        match self.config.mixing {
            Mixing::Dense => builder.affine(&self.name("mixing"), &[channels, channels], true),
            Mixing::Attention { heads, grid: [h, w] } => {
                builder.affine(&self.name("mixing.W_qkv"), &[3 * channels, channels], true);
                builder.affine(&self.name("mixing.W_o"), &[channels, channels], true);
                let size = channels / heads;
                let rotation = position::gta(h, w, size)?;
                let back = position::transposed(&rotation)?;
                for (name, values) in [("q", &rotation), ("k", &rotation), ("v", &rotation), ("o", &back)] {
                    let initial = Initial::Values(values.clone());
                    let shape = [h * w, size / 2, 2, 2];
                    builder.add(self.name(&format!("mixing.mat_{name}")), &shape, Role::Learned, initial);
                }
            }
        }
        builder.affine(&self.name("mlp.0"), &[hidden, channels], true);
        builder.affine(&self.name("mlp.2"), &[channels, hidden], true);
        builder.add(self.name("gamma"), &[1], Role::Learned, Initial::Constant(self.config.initial_gamma));
        let initial = Initial::Constant(self.config.initial_frequency / f32::sqrt(2.0));
        match self.config.rotation {
            Rotation::None | Rotation::Identity => {}
            Rotation::Global => builder.add(self.name("omg.omg_param"), &[2], Role::Learned, initial),
            Rotation::PerPair => builder.add(self.name("omg.omg_param"), &[channels / 2, 2], Role::Learned, initial),
        }
        Ok(())
    }

    /// The variables of a fast step besides state and drive: `γ`, the frequencies, the perceptron, the mixing.
    fn weights(&self, tape: &mut Tape, bound: &Bound) -> Result<Vec<Var>> {
        let mut all = vec![bound.get(&self.name("gamma"))?];
        if self.config.rotation.has_frequencies() {
            let parameter = bound.get(&self.name("omg.omg_param"))?;
            let count = tape.spec(parameter)?.len() / 2;
            let pairs = tape.reshape(parameter, &[count, 2])?;
            let lengths = tape.readout_norm(pairs, None, 1, 2)?;
            all.push(tape.reshape(lengths, &[count])?);
        }
        let mixing: &[&str] = match self.config.mixing {
            Mixing::Dense => &["mixing.weight", "mixing.bias"],
            Mixing::Attention { .. } => &[
                "mixing.W_qkv.weight",
                "mixing.W_qkv.bias",
                "mixing.W_o.weight",
                "mixing.W_o.bias",
                "mixing.mat_q",
                "mixing.mat_k",
                "mixing.mat_v",
                "mixing.mat_o",
            ],
        };
        let names =
            ["mlp.0.weight", "mlp.0.bias", "mlp.2.weight", "mlp.2.bias"].into_iter().chain(mixing.iter().copied());
        for name in names {
            all.push(bound.get(&self.name(name))?);
        }
        Ok(all)
    }

    /// `run.steps` fast steps from the unit oscillators `x` under the drive `c` of one observation, both as
    /// [`FastSlow::shape`] says. The energies of the trajectory are `- sum x . J`, twice the source's.
    ///
    /// # Errors
    /// `Shape`, `DType`; `Param` if `bound` lacks a parameter; as [`Tape::repeat`].
    pub fn observe(&self, tape: &mut Tape, bound: &Bound, x: Var, c: Var, run: &Run) -> Result<Trajectory> {
        let weights = self.weights(tape, bound)?;
        self.fast(tape, &weights, x, c, run)
    }

    fn fast(&self, tape: &mut Tape, weights: &[Var], x: Var, c: Var, run: &Run) -> Result<Trajectory> {
        let FastSlowConfig { n, mixing, rotation, projection, .. } = self.config;
        let options = StepOptions { projection, ..StepOptions::new(n, 1) }.rotation(rotation);
        let record = run.record;
        let mlp = 1 + usize::from(rotation.has_frequencies());
        let step = move |tape: &mut Tape, carried: &[Var], shared: &[Var]| {
            let (x, c, weights) = (carried[0], shared[0], &shared[1..]);
            let seen = tape.add(x, c)?;
            let mixed = mix(tape, mixing, seen, &weights[mlp + 4..])?;
            let inner = tape.add(seen, mixed)?;
            let hidden = tape.linear(inner, weights[mlp], Some(weights[mlp + 1]), 1)?;
            let hidden = tape.relu(hidden)?;
            let pull = tape.linear(hidden, weights[mlp + 2], Some(weights[mlp + 3]), 1)?;
            let frequencies = weights[1..mlp].first().copied();
            let (state, energy) = tape.sphere_step(x, pull, weights[0], frequencies, &options)?;
            let mut emitted = vec![energy];
            emitted.extend(record.then_some(state));
            Ok(Stepped { carried: vec![state], emitted })
        };
        let shared: Vec<Var> = std::iter::once(c).chain(weights.iter().copied()).collect();
        let repeated = tape.repeat(run.steps, run.storage, &[x], &shared, step)?;
        let column = |at: usize| repeated.emitted.iter().filter_map(|emitted| emitted.get(at).copied()).collect();
        Ok(Trajectory { state: repeated.carried[0], states: column(1), energies: column(0) })
    }

    /// Unit oscillators for `batch` samples, drawn from `noise`: a sample's do not depend on the batch.
    ///
    /// # Errors
    /// As [`Tape::noise`] and [`Tape::sphere_normalize`].
    pub fn start(&self, tape: &mut Tape, batch: usize, noise: Stream) -> Result<Var> {
        let raw = tape.noise(noise, Distribution::Gaussian, &self.shape(batch), DType::F32)?;
        tape.sphere_normalize(raw, 1, self.config.n)
    }
}

fn mix(tape: &mut Tape, mixing: Mixing, seen: Var, vars: &[Var]) -> Result<Var> {
    match mixing {
        Mixing::Dense => tape.linear(seen, vars[0], Some(vars[1]), 1),
        Mixing::Attention { heads, .. } => {
            let at = |at: usize| vars.get(at).copied();
            let weights = AttentionWeights {
                w_qkv: vars[0],
                b_qkv: at(1),
                w_o: vars[2],
                b_o: at(3),
                positions: [at(4), at(5), at(6), at(7)],
            };
            let options = AttentionOptions { axis: 1, heads, interleaved: true, causal: false };
            tape.couple_attention(seen, &weights, &options)
        }
    }
}

impl FastSlowStream {
    /// A stream that begins with [`FastSlow::start`].
    ///
    /// # Errors
    /// As [`FastSlow::start`].
    pub fn new(cell: &FastSlow, tape: &mut Tape, batch: usize, noise: Stream) -> Result<FastSlowStream> {
        let state = cell.start(tape, batch, noise)?;
        Ok(FastSlowStream { state: tape.value(state)?.clone() })
    }

    /// A stream that begins with unit oscillators of the caller's.
    pub fn from_state(state: impl Into<Value>) -> FastSlowStream {
        FastSlowStream { state: state.into() }
    }

    /// The state after the last observation.
    pub fn state(&self) -> &Value {
        &self.state
    }

    /// One observation after the other, `run.steps` fast steps for each, from the carried state, which the last one then
    /// is. Returns the state after each observation, for a decoder.
    ///
    /// # Errors
    /// As [`FastSlow::observe`]; the stream then stays where it was.
    pub fn advance(
        &mut self,
        cell: &FastSlow,
        tape: &mut Tape,
        bound: &Bound,
        drives: &[Var],
        run: &Run,
    ) -> Result<Vec<Var>> {
        let weights = cell.weights(tape, bound)?;
        let mut x = tape.constant(self.state.clone());
        let mut states = Vec::with_capacity(drives.len());
        for c in drives {
            x = cell.fast(tape, &weights, x, *c, run)?.state;
            states.push(x);
        }
        self.state = tape.value(x)?.clone();
        Ok(states)
    }
}
