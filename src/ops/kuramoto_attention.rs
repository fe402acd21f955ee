//! Attention whose state is angles: a step of every token towards the circular mean of those that it attends to.

use super::attention::Scores;
use super::layout::indexable;
use super::spec::{Op, OpSpec, Port};
#[cfg(feature = "gpu")]
use super::{sum_columns::split_wide, sum_rows::sum_rows};
use crate::cpu::Real;
use crate::cpu::kuramoto_attention::{self as cpu, Operands, Phases};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Bind, Commands, Context, Tensor, Work, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::{DType, WORKGROUP};
use crate::tape::{Tape, Var};

#[path = "kuramoto_attention_cases.rs"]
mod cases;
#[path = "kuramoto_attention_contracts.rs"]
mod contracts;

pub(super) use cases::{Row, rows};
pub use contracts::{
    BACKWARD, BACKWARD_CONTENT, BACKWARD_GATE, BACKWARD_GATE_TILES, BACKWARD_HEAD, BACKWARD_MIXED,
    BACKWARD_MIXED_LANES, FORWARD, HEADS, WEIGHTS,
};
#[cfg(feature = "gpu")]
use contracts::{LANES, Params, ParamsTiles};

/// What a Kuramoto attention has besides its angles, as tensors or variables; f32, but for the gates of tokens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PhaseCoupling<T> {
    /// `[heads, dim]`: the weight of each angle in the score; not below zero if the score is to be a metric of the torus.
    pub gate: T,
    /// `[heads]`: the temperature of the softmax, not zero.
    pub tau: T,
    /// `[heads]`: the step.
    pub eta: T,
    /// `[heads, dim]`: by how many radians a token's distance turns the score; zero for none.
    pub drift: T,
    /// Gates of queries and of keys, as the angles `[batch, tokens, heads, dim]` and stored as these are: what a token makes
    /// of an angle in the score, from its content. Not below zero if no angle is to repel.
    pub content: Option<[T; 2]>,
}

impl<T: Copy> PhaseCoupling<T> {
    /// The operands in the order of the op's ports, after the angles.
    fn operands(&self, theta: T) -> Vec<T> {
        let gates = self.content.into_iter().flatten();
        [theta, self.gate, self.tau, self.eta, self.drift].into_iter().chain(gates).collect()
    }

    /// The same for the weights, which do not depend on the step.
    pub(super) fn score_operands(&self, theta: T) -> Vec<T> {
        let gates = self.content.into_iter().flatten();
        [theta, self.gate, self.tau, self.drift].into_iter().chain(gates).collect()
    }
}

/// A Kuramoto attention with fixed extents.
#[derive(Clone, Debug)]
pub struct KuramotoAttention {
    pub(super) at: Phases,
    pub(super) scores: Scores,
    /// Whether tokens have gates.
    pub(super) content: bool,
}

impl KuramotoAttention {
    /// Attention over angles of extents `theta`, `[batch, tokens, heads, dim]`; `causal` says whether a token sees only
    /// those up to itself, `content` whether tokens have gates.
    ///
    /// # Errors
    /// `Shape` for extents of another number, no heads or no angles; `Index` for more elements than 32-bit indices reach.
    pub fn new(theta: &[usize], causal: bool, content: bool) -> Result<KuramotoAttention> {
        let &[batch, tokens, heads, dim] = theta else { return Err(misshapen(theta)) };
        if heads == 0 || dim == 0 {
            return Err(misshapen(theta));
        }
        indexable("kuramoto_attention", theta)?;
        let dim_features = 2 * dim;
        let at = Phases { batch, tokens, heads, dim, causal };
        let scores = Scores { heads: batch * heads, tokens, dim: dim_features, causal, scale: 1.0, variant: None };
        indexable("kuramoto_attention: the features", &[4, batch, heads, tokens, scores.padded()])?;
        Ok(KuramotoAttention { at, scores, content })
    }

    pub(super) fn theta_shape(&self) -> [usize; 4] {
        [self.at.batch, self.at.tokens, self.at.heads, self.at.dim]
    }

    /// The ports of angles and of what the scores take.
    pub(super) fn score_ports(&self) -> Vec<Port> {
        let (heads, dim) = (self.at.heads, self.at.dim);
        let gates = ["query_gate", "key_gate"].map(|name| Port::storage(name, &self.theta_shape()));
        let mut ports = vec![
            Port::storage("theta", &self.theta_shape()),
            Port::f32("gate", &[heads, dim]),
            Port::f32("tau", &[heads]),
            Port::f32("drift", &[heads, dim]),
        ];
        ports.extend(gates.into_iter().filter(|_| self.content));
        ports
    }
}

fn misshapen(theta: &[usize]) -> Error {
    let wanted = "[batch, tokens, heads, angles of a head], at least one head and angle";
    Error::argument(ErrorKind::Shape, "kuramoto_attention", "theta", format!("{theta:?}"), wanted)
}

fn operands<'a, R>(inputs: &[&'a [R]]) -> Operands<'a, R> {
    let content = inputs.get(5).zip(inputs.get(6)).map(|(queries, keys)| [*queries, *keys]);
    Operands { theta: inputs[0], gate: inputs[1], tau: inputs[2], eta: inputs[3], drift: inputs[4], content }
}

/// The operands of the scores among those of the step.
#[cfg(feature = "gpu")]
fn without_eta<'a>(inputs: &[&'a Tensor]) -> Vec<&'a Tensor> {
    inputs.iter().enumerate().filter(|(at, _)| *at != 3).map(|(_, tensor)| *tensor).collect()
}

#[cfg(feature = "gpu")]
impl KuramotoAttention {
    /// The same with the kernels for a device.
    pub(super) fn on(&self, context: &Context) -> KuramotoAttention {
        KuramotoAttention { scores: self.scores.on(context), ..self.clone() }
    }

    pub(super) fn params(&self) -> Params {
        let Phases { batch, tokens, heads, dim, causal } = self.at;
        let [batch, tokens, heads, dim] = [batch, tokens, heads, dim].map(|v| v as u32);
        let half = self.scores.padded() as u32 / 2;
        Params { batch, tokens, heads, dim, half, causal: causal.into(), content: self.content.into() }
    }

    /// The features of angles under a gate, a temperature and drifts, and gates of tokens if there are any, as
    /// [`KuramotoAttention::score_ports`] has them; what is mixed of them, and the queries' statistics.
    pub(super) fn mix(&self, commands: &mut Commands, inputs: &[&Tensor], dtype: DType) -> Result<[Tensor; 3]> {
        let parts = if self.content { 4 } else { 3 };
        let (scores, padded) = (&self.scores, self.scores.padded());
        let features = commands.empty(&[parts, scores.heads, scores.tokens, padded], DType::F32)?;
        let [theta, gate, tau, drift] = [0, 1, 2, 3].map(|at| inputs[at]);
        // Without gates the angles are bound in their place and not read.
        let [queries, keys] = [4, 5].map(|at| *inputs.get(at).unwrap_or(&theta));
        let binds = [read(theta), read(gate), read(tau), read(drift), read(queries), read(keys), write(&features)];
        let angles = scores.rows() * padded / 2;
        let work = Work::invocations(angles).flops(60 * angles);
        commands.dispatch(&HEADS, dtype, &[], &self.params(), &binds, work)?;
        let [mixed, stats] = self.scores.mix(commands, &features)?;
        Ok([features, mixed, stats])
    }

    /// What is mixed, back: `binds` as the kernels have them.
    fn mixed_bar(&self, commands: &mut Commands, binds: &[Bind<'_>], dtype: DType) -> Result<()> {
        let (rows, half) = (self.scores.rows(), self.scores.padded() / 2);
        let flops = 14 * rows * self.at.dim;
        if !self.scores.variant().shares_rows() {
            let work = Work::invocations(rows).rounds(half).flops(flops);
            return commands.dispatch(&BACKWARD_MIXED, dtype, &[], &self.params(), binds, work);
        }
        let lanes = LANES.iter().copied().find(|lanes| 4 * *lanes as usize >= half).unwrap_or(8);
        let rounds = half.div_ceil(4 * lanes as usize) + lanes as usize;
        let work = Work::invocations(rows * lanes as usize).rounds(rounds).flops(flops);
        commands.dispatch(&BACKWARD_MIXED_LANES, dtype, &[("LANES", lanes)], &self.params(), binds, work)
    }

    /// The cotangents of gate and drift from what `given` binds: the temperature, the queries' gates, the features, and
    /// the cotangents of queries and keys.
    fn angle_bars(&self, commands: &mut Commands, given: &[Bind<'_>], dtype: DType) -> Result<[Tensor; 2]> {
        let Phases { batch, tokens, heads, dim, .. } = self.at;
        let (shape, terms) = ([heads, dim], batch * tokens);
        let flops = 14 * terms * heads * dim;
        // Without tokens there is one tile of nothing, and no four features to bind.
        if !self.scores.variant().shares_rows() || terms == 0 {
            let bars = [commands.empty(&shape, DType::F32)?, commands.empty(&shape, DType::F32)?];
            let binds = [given, &[write(&bars[0]), write(&bars[1])]].concat();
            let work = Work::workgroups(heads * dim).rounds(self.over_tokens()).flops(flops);
            commands.dispatch(&BACKWARD_GATE, dtype, &[], &self.params(), &binds, work)?;
            return Ok(bars);
        }
        let per_tile = heads * dim.div_ceil(4);
        let split = split_wide(terms, per_tile, 16);
        let Params { batch, tokens, heads, dim, half, causal, content } = self.params();
        let (run, tiles) = (split.run as u32, split.tiles as u32);
        let params = ParamsTiles { batch, tokens, heads, dim, half, causal, content, run, tiles };
        let partial = commands.empty(&[2, shape[0], shape[1], split.tiles], DType::F32)?;
        let binds = [given, &[write(&partial)]].concat();
        let work = Work::invocations(split.tiles * per_tile).rounds(split.run + 4).flops(flops);
        commands.dispatch(&BACKWARD_GATE_TILES, dtype, &[], &params, &binds, work)?;
        let second = shape[0] * shape[1] * split.tiles;
        let gate_bar = sum_rows(commands, &partial, 0, split.tiles, &shape)?;
        Ok([gate_bar, sum_rows(commands, &partial, second, split.tiles, &shape)?])
    }

    /// Rounds of a loop over all tokens of all samples by the lanes of a workgroup, and of a sum of theirs.
    fn over_tokens(&self) -> usize {
        (self.at.batch * self.at.tokens).div_ceil(WORKGROUP as usize) + 16
    }
}

impl Op for KuramotoAttention {
    fn name(&self) -> &'static str {
        "kuramoto_attention"
    }
    fn inputs(&self) -> Vec<Port> {
        let mut ports = self.score_ports();
        ports.insert(3, Port::f32("eta", &[self.at.heads]));
        ports
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::storage("dst", &self.theta_shape())]
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(&operands(inputs), &self.at)]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        cpu::backward(&operands(inputs), cotangents[0], &self.at)
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], dtype: DType) -> Result<Vec<Tensor>> {
        let of = self.on(commands.context());
        let (theta, eta) = (inputs[0], inputs[3]);
        let [features, mixed, _] = of.mix(commands, &without_eta(inputs), dtype)?;
        let dst = commands.empty(&of.theta_shape(), dtype)?;
        let binds = [read(theta), read(eta), read(&features), read(&mixed), write(&dst)];
        let work = Work::invocations(dst.len()).flops(13 * dst.len());
        commands.dispatch(&FORWARD, dtype, &[], &of.params(), &binds, work)?;
        Ok(vec![dst])
    }
    #[cfg(feature = "gpu")]
    fn backward(
        &self,
        commands: &mut Commands,
        inputs: &[&Tensor],
        cotangents: &[Option<&Tensor>],
        needs: &[bool],
        dtype: DType,
    ) -> Result<Vec<Option<Tensor>>> {
        let of = self.on(commands.context());
        let mut all = vec![None; inputs.len()];
        let Some(g) = cotangents[0] else { return Ok(all) };
        let [theta, gate, tau, eta] = [0, 1, 2, 3].map(|at| inputs[at]);
        let [features, mixed, stats] = of.mix(commands, &without_eta(inputs), dtype)?;
        let (params, angles) = (of.params(), theta.len());
        let mixed_bar = of.scores.empty(commands, of.scores.padded())?;
        let (delta, pull) = (of.scores.empty(commands, 1)?, of.scores.empty(commands, 1)?);
        let binds = [read(eta), read(&features), read(&mixed), read(g), write(&mixed_bar), write(&delta), write(&pull)];
        of.mixed_bar(commands, &binds, dtype)?;
        let [q_bar, k_bar, v_bar] = of.scores.bars(commands, &features, &stats, &mixed_bar, &delta)?;
        if needs[0] {
            let theta_bar = commands.empty(&of.theta_shape(), dtype)?;
            let bars = [read(&q_bar), read(&k_bar), read(&v_bar)];
            let binds =
                [&[read(eta), read(&features), read(&mixed), read(g)], bars.as_slice(), &[write(&theta_bar)]].concat();
            commands.dispatch(&BACKWARD, dtype, &[], &params, &binds, Work::invocations(angles).flops(18 * angles))?;
            all[0] = Some(theta_bar);
        }
        if needs[1..5].contains(&true) {
            let queries = *inputs.get(5).unwrap_or(&theta);
            let binds = [read(tau), read(queries), read(&features), read(&q_bar), read(&k_bar)];
            let [gate_bar, drift_bar] = of.angle_bars(commands, &binds, dtype)?;
            let [tau_bar, eta_bar] =
                [commands.empty(tau.shape(), DType::F32)?, commands.empty(eta.shape(), DType::F32)?];
            let binds = [read(gate), read(tau), read(&gate_bar), read(&pull), write(&tau_bar), write(&eta_bar)];
            let rounds = of.over_tokens() + of.at.dim.div_ceil(WORKGROUP as usize);
            let work = Work::workgroups(tau.len()).rounds(rounds).flops(of.scores.rows() + 2 * gate.len());
            commands.dispatch(&BACKWARD_HEAD, DType::F32, &[], &params, &binds, work)?;
            for (at, bar) in [gate_bar, tau_bar, eta_bar, drift_bar].into_iter().enumerate() {
                all[at + 1] = needs[at + 1].then_some(bar);
            }
        }
        if of.content && needs[5..].contains(&true) {
            let bars = [commands.empty(&of.theta_shape(), dtype)?, commands.empty(&of.theta_shape(), dtype)?];
            let given = [read(gate), read(tau), read(&features), read(&q_bar), read(&k_bar)];
            let binds = [given.as_slice(), &[write(&bars[0]), write(&bars[1])]].concat();
            let work = Work::invocations(angles).flops(8 * angles);
            commands.dispatch(&BACKWARD_CONTENT, dtype, &[], &params, &binds, work)?;
            for (at, bar) in bars.into_iter().enumerate() {
                all[at + 5] = needs[at + 5].then_some(bar);
            }
        }
        Ok(all)
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// A step of angles `theta`, `[batch, tokens, heads, dim]` in radians, towards the circular mean of the tokens that each
    /// attends to: `theta_t + eta sum_u A_tu sin(theta_u - theta_t)`, wrapped to `[-pi, pi]`, with
    /// `A = softmax_u(1/tau sum_d gate_d cos(theta_td - theta_ud + drift_d (t - u)))` per head; with gates of tokens each
    /// term is also multiplied by that of its query and of its key. No matrix of scores is formed. Angles are at most
    /// 10,000, and so is `drift t`; up to 4096 tokens a drift costs no accuracy.
    /// Source: Kuramoto attention (arXiv 2606.11585) as far as its abstract goes; gate, heads and step are ours.
    ///
    /// # Errors
    /// `Shape`, `Index`, `DType`; as [`Commands::apply`].
    pub fn kuramoto_attention(
        &mut self,
        theta: &Tensor,
        coupling: &PhaseCoupling<&Tensor>,
        causal: bool,
    ) -> Result<Tensor> {
        let op = KuramotoAttention::new(theta.shape(), causal, coupling.content.is_some())?;
        Ok(self.apply(&op, &coupling.operands(theta))?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::kuramoto_attention`](crate::Commands::kuramoto_attention), differentiable in all operands. Scores are
    /// computed again in the backward pass, nothing of their size is stored.
    ///
    /// # Errors
    /// As [`Commands::kuramoto_attention`](crate::Commands::kuramoto_attention).
    pub fn kuramoto_attention(&mut self, theta: Var, coupling: &PhaseCoupling<Var>, causal: bool) -> Result<Var> {
        let op = KuramotoAttention::new(&self.spec(theta)?.shape, causal, coupling.content.is_some())?;
        self.apply_one(op, &coupling.operands(theta))
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "kuramoto_attention",
    formula: "dst_t = wrap(theta_t + eta sum_u A_tu sin(theta_u - theta_t)), A = softmax of gated cosines",
    differentiable: true,
    kernels: &[
        &HEADS,
        &FORWARD,
        &BACKWARD_MIXED,
        &BACKWARD_MIXED_LANES,
        &BACKWARD,
        &BACKWARD_GATE,
        &BACKWARD_GATE_TILES,
        &BACKWARD_CONTENT,
        &BACKWARD_HEAD,
        &super::sum_rows::KERNEL,
    ],
    cases: cases::cases,
};
