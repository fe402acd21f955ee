//! The Kuramoto layer: `T` steps of coupled oscillators under a fixed drive.

use super::coupling::{Coupled, Coupling, CouplingVars};
use crate::error::{Error, ErrorKind, Result};
use crate::model::parameters::{Bound, Builder, Initial, Role};
use crate::model::position;
use crate::ops::sphere_step::{Rotation, StepOptions};
use crate::tape::{Stepped, Storage, Tape, Var};

/// What is done to the drive `c`, once, before the steps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DriveNorm {
    /// Nothing.
    None,
    /// Group normalisation with one group per oscillator index, over its components and all positions ("gn").
    Group,
    /// A scale and a bias per channel ("sandb").
    ScaleBias,
}

/// The published group normalisation's epsilon.
const GROUP_EPS: f32 = 1e-5;

/// The options of a layer.
#[derive(Clone, Debug)]
pub struct LayerConfig {
    /// Channels, a multiple of `n`.
    pub channels: usize,
    /// Components of one oscillator.
    pub n: usize,
    /// How oscillators act on each other.
    pub coupling: Coupling,
    /// What is done to the drive.
    pub drive_norm: DriveNorm,
    /// The linear part. The published networks with frequencies switched off use `Identity`, not `None`.
    pub rotation: Rotation,
    /// Whether the drive is projected to the tangent space.
    pub projection: bool,
    /// Where frequencies begin.
    pub initial_frequency: f32,
    /// Whether frequencies learn.
    pub learn_frequency: bool,
}

impl LayerConfig {
    /// The published defaults around a coupling: no drive norm, one learned frequency from 1, projection.
    pub fn new(channels: usize, n: usize, coupling: Coupling) -> LayerConfig {
        LayerConfig {
            channels,
            n,
            coupling,
            drive_norm: DriveNorm::None,
            rotation: Rotation::Global,
            projection: true,
            initial_frequency: 1.0,
            learn_frequency: true,
        }
    }
}

/// How a layer is run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Run {
    /// Steps `T`.
    pub steps: usize,
    /// What is kept for the backward pass.
    pub storage: Storage,
    /// Whether the state after each step is handed out.
    pub record: bool,
}

impl Run {
    /// `steps` steps that keep every intermediate and hand out the last state.
    pub fn new(steps: usize) -> Run {
        Run { steps, storage: Storage::Everything, record: false }
    }

    /// The same with another choice of what is kept.
    pub fn storage(self, storage: Storage) -> Run {
        Run { storage, ..self }
    }

    /// The same, handing out the state after each step.
    pub fn record(self) -> Run {
        Run { record: true, ..self }
    }
}

/// What a layer computed.
#[derive(Clone, Debug)]
pub struct Trajectory {
    /// The state after the last step.
    pub state: Var,
    /// The states after steps `1..=T` if they were asked for.
    pub states: Vec<Var>,
    /// The published energy `- sum x . y` per sample `[B]`, f32, of the states before steps `1..=T`: the last one belongs
    /// to the state before the last step.
    pub energies: Vec<Var>,
}

/// A layer: its options and the prefix of its parameters' names.
#[derive(Clone, Debug)]
pub struct KuramotoLayer {
    config: LayerConfig,
    prefix: String,
}

impl KuramotoLayer {
    /// A layer whose parameters' names begin with `prefix` (`"layers.0.0."`, or nothing).
    ///
    /// # Errors
    /// `Param` if `n < 2`, if the channels are no multiple of `n`, if `n` is odd with frequencies, if heads do not divide
    /// the channels, for an odd head size with position matrices, or for an even kernel; `Shape` for a graph of another
    /// number of oscillators.
    pub fn new(config: LayerConfig, prefix: impl Into<String>) -> Result<KuramotoLayer> {
        let refuse = |argument: &str, got: String, wanted: String| {
            Err(Error::argument(ErrorKind::Param, "KuramotoLayer", argument, got, wanted))
        };
        let LayerConfig { channels, n, .. } = config;
        if n < 2 || channels == 0 || channels % n != 0 {
            let wanted = "n at least 2 and channels a multiple of it";
            return refuse("channels and n", format!("{channels} and {n}"), wanted.into());
        }
        if config.rotation.has_frequencies() && n % 2 != 0 {
            return refuse("n", n.to_string(), "even with frequencies, which turn pairs of components".into());
        }
        match &config.coupling {
            Coupling::Conv2d { kernel } if kernel % 2 == 0 => {
                return refuse("kernel", kernel.to_string(), "odd, so that the state keeps its extents".into());
            }
            Coupling::Attention { heads, positions, .. } => {
                if *heads == 0 || channels % heads != 0 {
                    return refuse("heads", heads.to_string(), format!("a divisor of the {channels} channels"));
                }
                if positions.is_some() && (channels / heads) % 2 != 0 {
                    let wanted = "even with position matrices, which act on pairs of channels";
                    return refuse("channels per head", (channels / heads).to_string(), wanted.into());
                }
                if positions.is_some_and(|[h, w]| h * w == 0) {
                    return refuse("positions", format!("{positions:?}"), "a grid with positions".into());
                }
            }
            Coupling::Sparse { graph, .. } if graph.nodes() * n != channels => {
                let got = format!("{} oscillators", graph.nodes());
                let wanted = format!("{} oscillators of {n} components", channels / n);
                return Err(Error::argument(ErrorKind::Shape, "KuramotoLayer", "graph", got, wanted));
            }
            _ => {}
        }
        Ok(KuramotoLayer { config, prefix: prefix.into() })
    }

    /// The options.
    pub fn config(&self) -> &LayerConfig {
        &self.config
    }

    fn name(&self, rest: &str) -> String {
        format!("{}{rest}", self.prefix)
    }

    /// Adds the layer's parameters with the published initial values.
    ///
    /// # Errors
    /// Whatever making position matrices returns.
    pub fn parameters(&self, builder: &mut Builder) -> Result<()> {
        let LayerConfig { channels, n, .. } = self.config;
        match &self.config.coupling {
            Coupling::Conv2d { kernel } => {
                builder.affine(&self.name("connectivity"), &[channels, channels, *kernel, *kernel], true);
            }
            Coupling::Attention { heads, positions, .. } => {
                builder.affine(&self.name("connectivity.W_qkv"), &[3 * channels, channels, 1, 1], true);
                builder.affine(&self.name("connectivity.W_o"), &[channels, channels, 1, 1], true);
                if let Some([h, w]) = positions {
                    let size = channels / heads;
                    let rotation = position::gta(*h, *w, size)?;
                    let back = position::transposed(&rotation)?;
                    for (name, values) in [("q", &rotation), ("k", &rotation), ("v", &rotation), ("o", &back)] {
                        let name = self.name(&format!("connectivity.mat_{name}"));
                        let initial = Initial::Values(values.clone());
                        builder.add(name, &[h * w, size / 2, 2, 2], Role::Learned, initial);
                    }
                }
            }
            Coupling::Dense { .. } => builder.affine(&self.name("connectivity"), &[channels, channels], true),
            Coupling::Sparse { graph, blocks } => {
                let shape = if *blocks { vec![graph.edge_count(), n, n] } else { vec![graph.edge_count()] };
                // As many terms as an oscillator has neighbours, on average.
                let degree = (graph.edge_count() as f32 / graph.nodes().max(1) as f32).max(1.0);
                let terms = if *blocks { degree * n as f32 } else { degree };
                let initial = Initial::Uniform(1.0 / terms.sqrt());
                builder.add(self.name("connectivity.weight"), &shape, Role::Learned, initial);
            }
        }
        let one = Initial::Constant(1.0);
        match self.config.drive_norm {
            DriveNorm::None => {}
            DriveNorm::Group => builder.add(self.name("c_norm.weight"), &[channels], Role::Learned, one),
            DriveNorm::ScaleBias => builder.add(self.name("c_norm.scale"), &[channels], Role::Learned, one),
        }
        if self.config.drive_norm != DriveNorm::None {
            builder.add(self.name("c_norm.bias"), &[channels], Role::Learned, Initial::Constant(0.0));
        }
        let role = if self.config.learn_frequency { Role::Learned } else { Role::Frozen };
        let initial = Initial::Constant(self.config.initial_frequency / f32::sqrt(2.0));
        match self.config.rotation {
            Rotation::None | Rotation::Identity => {}
            Rotation::Global => builder.add(self.name("omg.omg_param"), &[2], role, initial),
            Rotation::PerPair => builder.add(self.name("omg.omg_param"), &[channels / 2, 2], role, initial),
        }
        Ok(())
    }

    /// Runs the layer from the state `x`, of any scale, under the drive `c`, both `[B, C, H, W]` (`[B, C]` for dense and
    /// sparse coupling), with step size `gamma` `[1]` in f32.
    ///
    /// While `T` steps are differentiated, tensors hold at most `m T + 6` states with [`Storage::Everything`] and
    /// `T / k + m k + 8` with [`Storage::Every`]`(k)`, besides weights, where a step leaves `m` states' worth of
    /// intermediates: 2 with a convolution (drive and coupled state, state), 3 with a dense or sparse coupling (which add the
    /// drive apart), 10 with attention (queries, keys and values, their heads, and twice what the queries see besides). The
    /// minimum is near `k = sqrt(T / m)`.
    ///
    /// # Errors
    /// `Shape` and `DType` if an argument does not fit, `Param` if `bound` lacks a parameter; whatever the ops return.
    pub fn forward(&self, tape: &mut Tape, bound: &Bound, x: Var, c: Var, gamma: Var, run: &Run) -> Result<Trajectory> {
        let last = self.stages(tape, bound, [x, c, gamma], run, &[run.steps])?.pop();
        last.ok_or_else(|| Error::new(ErrorKind::Param, "KuramotoLayer: nothing to run"))
    }

    /// One run of as many steps as the last of `stops`, as it stands after each of them, which ascend: the same bits as
    /// runs of their own. `[x, c, gamma]` are those of [`KuramotoLayer::forward`]; `run.steps` is not looked at.
    pub(super) fn stages(
        &self,
        tape: &mut Tape,
        bound: &Bound,
        [x, c, gamma]: [Var; 3],
        run: &Run,
        stops: &[usize],
    ) -> Result<Vec<Trajectory>> {
        let x = tape.sphere_normalize(x, 1, self.config.n)?;
        let drive = self.drive(tape, bound, c)?;
        let frequencies = self.frequencies(tape, bound)?;
        let coupled = Coupled { layer: self.config.clone(), vars: self.coupling(tape, bound, x)? };
        let mut shared = vec![drive, gamma];
        shared.extend(frequencies);
        let weights = shared.len();
        shared.extend(coupled.vars.list());
        let options = StepOptions { projection: self.config.projection, ..StepOptions::new(self.config.n, 1) };
        let options = options.rotation(self.config.rotation);
        let record = run.record;
        let step = move |tape: &mut Tape, carried: &[Var], shared: &[Var]| {
            let y = coupled.with(&shared[weights..]).drive(tape, carried[0], shared[0])?;
            let frequencies = shared[2..weights].first().copied();
            let (state, energy) = tape.sphere_step(carried[0], y, shared[1], frequencies, &options)?;
            let mut emitted = vec![energy];
            emitted.extend(record.then_some(state));
            Ok(Stepped { carried: vec![state], emitted })
        };
        let (mut now, mut done) = (Trajectory { state: x, states: vec![], energies: vec![] }, 0);
        let mut stages = Vec::with_capacity(stops.len());
        for stop in stops {
            let repeated = tape.repeat(stop - done, run.storage, &[now.state], &shared, step.clone())?;
            let column = |at: usize| repeated.emitted.iter().filter_map(move |emitted| emitted.get(at).copied());
            now.energies.extend(column(0));
            now.states.extend(column(1));
            now.state = repeated.carried[0];
            done = *stop;
            stages.push(now.clone());
        }
        Ok(stages)
    }

    /// The published energy per sample of the very state `x` of unit oscillators, at the price of one more evaluation of
    /// the coupling: what [`Trajectory::energies`] ends one step before.
    ///
    /// # Errors
    /// As [`KuramotoLayer::forward`].
    pub fn energy(&self, tape: &mut Tape, bound: &Bound, x: Var, c: Var) -> Result<Var> {
        let drive = self.drive(tape, bound, c)?;
        let coupled = Coupled { layer: self.config.clone(), vars: self.coupling(tape, bound, x)? };
        let y = coupled.drive(tape, x, drive)?;
        tape.energy(x, y, None)
    }

    fn drive(&self, tape: &mut Tape, bound: &Bound, c: Var) -> Result<Var> {
        let LayerConfig { channels, n, .. } = self.config;
        match self.config.drive_norm {
            DriveNorm::None => Ok(c),
            DriveNorm::Group => {
                let weight = bound.get(&self.name("c_norm.weight"))?;
                let bias = bound.get(&self.name("c_norm.bias"))?;
                tape.norm_group(c, Some(weight), Some(bias), channels / n, GROUP_EPS)
            }
            DriveNorm::ScaleBias => {
                let scale = bound.get(&self.name("c_norm.scale"))?;
                tape.scale_bias(c, scale, bound.get(&self.name("c_norm.bias"))?, 1)
            }
        }
    }

    /// Frequencies are the lengths of learned pairs: never negative, with gradient 0 at 0.
    fn frequencies(&self, tape: &mut Tape, bound: &Bound) -> Result<Option<Var>> {
        if !self.config.rotation.has_frequencies() {
            return Ok(None);
        }
        let parameter = bound.get(&self.name("omg.omg_param"))?;
        let count = tape.spec(parameter)?.len() / 2;
        let pairs = tape.reshape(parameter, &[count, 2])?;
        let lengths = tape.readout_norm(pairs, None, 1, 2)?;
        Ok(Some(tape.reshape(lengths, &[count])?))
    }

    fn coupling(&self, tape: &mut Tape, bound: &Bound, x: Var) -> Result<CouplingVars> {
        let get = |rest: &str| bound.get(&self.name(rest));
        let channels = self.config.channels;
        Ok(match &self.config.coupling {
            Coupling::Conv2d { .. } | Coupling::Dense { .. } => {
                CouplingVars { list: vec![get("connectivity.weight")?, get("connectivity.bias")?] }
            }
            Coupling::Sparse { .. } => CouplingVars { list: vec![get("connectivity.weight")?] },
            Coupling::Attention { positions, .. } => {
                let (qkv, o) = (get("connectivity.W_qkv.weight")?, get("connectivity.W_o.weight")?);
                let mut list = vec![
                    tape.reshape(qkv, &[3 * channels, channels])?,
                    get("connectivity.W_qkv.bias")?,
                    tape.reshape(o, &[channels, channels])?,
                    get("connectivity.W_o.bias")?,
                ];
                if let Some(from) = positions {
                    let shape = tape.spec(x)?.shape;
                    let [_, _, h, w] = shape[..] else {
                        let got = format!("{shape:?}");
                        return Err(Error::argument(ErrorKind::Shape, "KuramotoLayer", "x", got, "[B, C, H, W]"));
                    };
                    for name in ["q", "k", "v", "o"] {
                        let matrices = get(&format!("connectivity.mat_{name}"))?;
                        list.push(position::resized(tape, matrices, *from, [h, w])?);
                    }
                }
                CouplingVars { list }
            }
        })
    }
}
