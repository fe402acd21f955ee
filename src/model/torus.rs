//! A language model on the torus: every hidden number is an angle.
//!
//! Tokens are `D = heads * dim` angles. A block lets every token step towards the circular mean of those before it
//! ([`Tape::kuramoto_attention`]), then turns each angle by what a perceptron reads of all cosines and sines; the logits
//! are linear in the cosines and sines of the last angles.
//! ```text
//! θ <- wrap(θ + η sum_u A_tu sin(θ_u - θ_t)),    θ <- wrap(θ + W2 swiglu(W1 [cos θ, sin θ] + b1) + b2)
//! ```
//! Source: Kuramoto attention (arXiv 2606.11585) as far as its abstract goes: angles as states, gated cosines as scores,
//! drifts as positions, causal attention. Temperature, step, heads and perceptron are this library's choice.

use crate::error::{Error, ErrorKind, Result};
use crate::model::parameters::{Bound, Builder, Initial, Parameters, Role};
use crate::ops::kuramoto_attention::PhaseCoupling;
use crate::tape::{Tape, Var};

/// Channels are the last of the three axes of `[B, T, C]`.
const AXIS: usize = 2;

/// The number whose [`softplus`](Tape::softplus) is 1.
const ONE: f32 = 0.541_324_85;

/// Options of a block on the torus.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct TorusConfig {
    /// Heads of the attention.
    pub heads: usize,
    /// Angles of a head.
    pub dim: usize,
    /// Channels between the two maps of the perceptron.
    pub hidden: usize,
    /// Whether a token sees only those up to itself.
    pub causal: bool,
    /// Angle `d` of a head drifts by `base^(-d / dim)` radians a token in the scores. `None`: attention does not know where
    /// tokens are.
    pub drift: Option<f64>,
    /// Whether the drifts are learned, from there on.
    pub learned_drift: bool,
    /// Whether tokens gate their angles in the scores by what they are: `sigma(W [cos θ, sin θ] + b)` for queries and again for
    /// keys. Scores then depend on angles themselves, not on differences alone, so that turning a coordinate of all tokens no
    /// longer commutes with the block.
    pub content_gate: bool,
}

impl TorusConfig {
    /// Causal, without gates of tokens, with fixed drifts of base 10000, and as many hidden channels as there are cosines and
    /// sines.
    pub fn new(heads: usize, dim: usize) -> TorusConfig {
        let hidden = 2 * heads * dim;
        let drift = Some(10_000.0);
        TorusConfig { heads, dim, hidden, causal: true, drift, learned_drift: false, content_gate: false }
    }

    /// Angles of a token.
    pub fn width(&self) -> usize {
        self.heads * self.dim
    }

    fn check(&self) -> Result<()> {
        let refuse = |argument: &str, got: String, wanted: &str| {
            Err(Error::argument(ErrorKind::Param, "TorusBlock", argument, got, wanted))
        };
        let TorusConfig { heads, dim, hidden, .. } = *self;
        if heads == 0 || dim == 0 || hidden == 0 {
            let got = format!("{heads} heads of {dim} angles, {hidden} hidden channels");
            return refuse("options", got, "at least one of each");
        }
        match self.drift {
            Some(base) if !(base.is_finite() && base > 0.0) => refuse("drift", base.to_string(), "a positive number"),
            None if self.learned_drift => refuse("learned_drift", "true".into(), "false without drifts"),
            _ => Ok(()),
        }
    }
}

/// A block: its options and the prefix of its parameters' names, which are `attn.raw_gate`, `attn.raw_tau`, `attn.eta`,
/// `attn.drift`, `mlp.fc` and `mlp.proj` with `.weight` and `.bias`, and as these `attn.query_gate` and `attn.key_gate` if
/// tokens have gates. Gate and temperature are softplus of what is learned.
#[derive(Clone, Debug)]
pub struct TorusBlock {
    config: TorusConfig,
    prefix: String,
}

impl TorusBlock {
    /// A block whose parameters' names begin with `prefix` (`"blocks.0."`, or nothing).
    ///
    /// # Errors
    /// `Param` without heads, angles or hidden channels, for a base of the drifts that is not positive, or for learned
    /// drifts without any.
    pub fn new(config: TorusConfig, prefix: impl Into<String>) -> Result<TorusBlock> {
        config.check()?;
        Ok(TorusBlock { config, prefix: prefix.into() })
    }

    /// The options.
    pub fn config(&self) -> &TorusConfig {
        &self.config
    }

    fn name(&self, rest: &str) -> String {
        format!("{}{rest}", self.prefix)
    }

    /// Adds the block's parameters: a gate of 1 for every angle; a temperature of `sqrt(dim / 2)`, which gives scores of
    /// random angles a variance of 1, or a quarter of that where gates of tokens make scores about a quarter as large; steps
    /// of 1; maps as PyTorch has them.
    pub fn parameters(&self, builder: &mut Builder) {
        let TorusConfig { heads, dim, hidden, drift, learned_drift, content_gate, .. } = self.config;
        let width = self.config.width();
        let mut add = |rest: &str, shape: &[usize], role: Role, initial: Initial| {
            builder.add(self.name(rest), shape, role, initial);
        };
        add("attn.raw_gate", &[heads, dim], Role::Learned, Initial::Constant(ONE));
        let tau = (dim as f64 / 2.0).sqrt() * if content_gate { 0.25 } else { 1.0 };
        // The inverse of softplus.
        let raw_tau = tau + (-(-tau).exp_m1()).ln();
        add("attn.raw_tau", &[heads], Role::Learned, Initial::Constant(raw_tau as f32));
        add("attn.eta", &[heads], Role::Learned, Initial::Constant(1.0));
        let rate = |at: usize| drift.map_or(0.0, |base| base.powf(-((at % dim) as f64) / dim as f64) as f32);
        let role = if learned_drift { Role::Learned } else { Role::Frozen };
        add("attn.drift", &[heads, dim], role, Initial::Values((0..heads * dim).map(rate).collect()));
        for gate in ["attn.query_gate", "attn.key_gate"].into_iter().filter(|_| content_gate) {
            builder.affine(&self.name(gate), &[width, 2 * width], true);
        }
        builder.affine(&self.name("mlp.fc"), &[2 * hidden, 2 * width], true);
        builder.affine(&self.name("mlp.proj"), &[width, hidden], true);
    }

    /// What the attention takes besides the angles `theta` `[B, T, D]`.
    fn coupling(&self, tape: &mut Tape, bound: &Bound, theta: Var) -> Result<PhaseCoupling<Var>> {
        let get = |rest: &str| bound.get(&self.name(rest));
        let content = match self.config.content_gate {
            true => Some([self.gates(tape, bound, theta, "query")?, self.gates(tape, bound, theta, "key")?]),
            false => None,
        };
        Ok(PhaseCoupling {
            gate: tape.softplus(get("attn.raw_gate")?)?,
            tau: tape.softplus(get("attn.raw_tau")?)?,
            eta: get("attn.eta")?,
            drift: get("attn.drift")?,
            content,
        })
    }

    /// `sigma(W [cos θ, sin θ] + b)`, `[B, T, heads, dim]`.
    fn gates(&self, tape: &mut Tape, bound: &Bound, theta: Var, of: &str) -> Result<Var> {
        let get = |part: &str| bound.get(&self.name(&format!("attn.{of}_gate.{part}")));
        let features = tape.phase_features(theta, AXIS)?;
        let raw = tape.linear(features, get("weight")?, Some(get("bias")?), AXIS)?;
        let spec = tape.spec(raw)?;
        let ones = tape.fill(1.0, &spec.shape, spec.dtype)?;
        let open = tape.gate(ones, raw, AXIS, 1)?;
        Ok(self.split(tape, open)?.1)
    }

    /// `theta` `[B, T, D]` as `[B, T, heads, dim]`.
    fn split(&self, tape: &mut Tape, theta: Var) -> Result<(Vec<usize>, Var)> {
        let shape = tape.spec(theta)?.shape;
        match shape[..] {
            [batch, tokens, width] if width == self.config.width() => {
                let split = tape.reshape(theta, &[batch, tokens, self.config.heads, self.config.dim])?;
                Ok((shape, split))
            }
            _ => {
                let (got, wanted) = (format!("{shape:?}"), format!("[B, T, {}]", self.config.width()));
                Err(Error::argument(ErrorKind::Shape, "TorusBlock", "theta", got, wanted))
            }
        }
    }

    /// The angles `[B, T, D]`, in radians, after the block.
    ///
    /// # Errors
    /// `Param` for a parameter that `bound` lacks, `Shape` if `theta` is not `[B, T, D]`; whatever the ops return.
    pub fn forward(&self, tape: &mut Tape, bound: &Bound, theta: Var) -> Result<Var> {
        let (shape, split) = self.split(tape, theta)?;
        let coupling = self.coupling(tape, bound, theta)?;
        let moved = tape.kuramoto_attention(split, &coupling, self.config.causal)?;
        let theta = tape.reshape(moved, &shape)?;
        let get = |rest: &str| bound.get(&self.name(rest));
        let features = tape.phase_features(theta, AXIS)?;
        let hidden = tape.linear(features, get("mlp.fc.weight")?, Some(get("mlp.fc.bias")?), AXIS)?;
        let hidden = tape.swiglu(hidden, AXIS)?;
        let turn = tape.linear(hidden, get("mlp.proj.weight")?, Some(get("mlp.proj.bias")?), AXIS)?;
        let theta = tape.add(theta, turn)?;
        tape.phase_wrap(theta)
    }

    /// The weights `[B, heads, T, T]` with which the block attends to angles `theta` `[B, T, D]`: for looking at.
    ///
    /// # Errors
    /// As [`TorusBlock::forward`].
    pub fn weights(&self, tape: &mut Tape, bound: &Bound, theta: Var) -> Result<Var> {
        let (_, split) = self.split(tape, theta)?;
        let coupling = self.coupling(tape, bound, theta)?;
        tape.kuramoto_attention_weights(split, &coupling, self.config.causal)
    }
}

/// A language model: a table of angles, blocks, and logits.
///
/// Parameters are `embedding.angles` `[V, D]`, the blocks' under `blocks.0.` and so on, `readout.weight` `[V, 2 D]` and
/// `readout.bias`.
#[derive(Clone, Debug)]
pub struct TorusLanguageModel {
    vocabulary: usize,
    blocks: Vec<TorusBlock>,
    config: TorusConfig,
}

impl TorusLanguageModel {
    /// A model of `layers` blocks over tokens below `vocabulary`.
    ///
    /// # Errors
    /// `Param` for an empty vocabulary; as [`TorusBlock::new`].
    pub fn new(vocabulary: usize, layers: usize, config: TorusConfig) -> Result<TorusLanguageModel> {
        if vocabulary == 0 {
            return Err(Error::argument(ErrorKind::Param, "TorusLanguageModel", "vocabulary", 0, "at least one token"));
        }
        config.check()?;
        let blocks = (0..layers).map(|layer| TorusBlock::new(config, format!("blocks.{layer}.")));
        Ok(TorusLanguageModel { vocabulary, blocks: blocks.collect::<Result<_>>()?, config })
    }

    /// The blocks.
    pub fn blocks(&self) -> &[TorusBlock] {
        &self.blocks
    }

    /// Initial parameters: angles uniform on the circle, maps as PyTorch has them.
    ///
    /// # Errors
    /// Never; [`Builder::finish`] may.
    pub fn parameters(&self, seed: u64) -> Result<Parameters> {
        let mut builder = Builder::new(seed);
        let angles = [self.vocabulary, self.config.width()];
        builder.add("embedding.angles", &angles, Role::Learned, Initial::Uniform(std::f32::consts::PI));
        self.blocks.iter().for_each(|block| block.parameters(&mut builder));
        builder.affine("readout", &[self.vocabulary, 2 * self.config.width()], true);
        builder.finish()
    }

    /// Logits `[B, T, V]` for tokens `[B, T]` (u32).
    ///
    /// # Errors
    /// `Param` for a parameter that `bound` lacks, `Shape`; whatever the ops return.
    pub fn forward(&self, tape: &mut Tape, bound: &Bound, tokens: Var) -> Result<Var> {
        let mut theta = tape.embedding(tokens, bound.get("embedding.angles")?, AXIS)?;
        for block in &self.blocks {
            theta = block.forward(tape, bound, theta)?;
        }
        let features = tape.phase_features(theta, AXIS)?;
        tape.linear(features, bound.get("readout.weight")?, Some(bound.get("readout.bias")?), AXIS)
    }
}
