//! Attention whose state is angles: a step of every token towards the circular mean of those that it attends to.

use super::attention::Scores;
use super::layout::indexable;
use super::spec::{Op, OpSpec, Port};
use crate::cpu::Real;
use crate::cpu::kuramoto_attention::{self as cpu, Operands, Phases};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Context, Tensor, Work, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::{DType, WORKGROUP};
use crate::tape::{Tape, Var};

#[path = "kuramoto_attention_cases.rs"]
mod cases;
#[path = "kuramoto_attention_contracts.rs"]
mod contracts;

pub(super) use cases::{Row, rows};
#[cfg(feature = "gpu")]
use contracts::Params;
pub use contracts::{BACKWARD, BACKWARD_GATE, BACKWARD_HEAD, BACKWARD_MIXED, FORWARD, HEADS, WEIGHTS};

/// What a Kuramoto attention has besides its angles, as tensors or variables, all of them f32.
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
}

/// A Kuramoto attention with fixed extents.
#[derive(Clone, Debug)]
pub struct KuramotoAttention {
    pub(super) at: Phases,
    pub(super) scores: Scores,
}

impl KuramotoAttention {
    /// Attention over angles of extents `theta`, `[batch, tokens, heads, dim]`; `causal` says whether a token sees only
    /// those up to itself.
    ///
    /// # Errors
    /// `Shape` for extents of another number, no heads or no angles; `Index` for more elements than 32-bit indices reach.
    pub fn new(theta: &[usize], causal: bool) -> Result<KuramotoAttention> {
        let &[batch, tokens, heads, dim] = theta else { return Err(misshapen(theta)) };
        if heads == 0 || dim == 0 {
            return Err(misshapen(theta));
        }
        indexable("kuramoto_attention", theta)?;
        let dim_features = 2 * dim;
        let at = Phases { batch, tokens, heads, dim, causal };
        let scores = Scores { heads: batch * heads, tokens, dim: dim_features, causal, scale: 1.0, variant: None };
        indexable("kuramoto_attention: the features", &[3, batch, heads, tokens, scores.padded()])?;
        Ok(KuramotoAttention { at, scores })
    }

    pub(super) fn theta_shape(&self) -> [usize; 4] {
        [self.at.batch, self.at.tokens, self.at.heads, self.at.dim]
    }

    /// The ports of angles and of what the scores take.
    pub(super) fn score_ports(&self) -> [Port; 4] {
        let (heads, dim) = (self.at.heads, self.at.dim);
        [
            Port::storage("theta", &self.theta_shape()),
            Port::f32("gate", &[heads, dim]),
            Port::f32("tau", &[heads]),
            Port::f32("drift", &[heads, dim]),
        ]
    }
}

fn misshapen(theta: &[usize]) -> Error {
    let wanted = "[batch, tokens, heads, angles of a head], at least one head and angle";
    Error::argument(ErrorKind::Shape, "kuramoto_attention", "theta", format!("{theta:?}"), wanted)
}

fn operands<'a, R>(inputs: &[&'a [R]]) -> Operands<'a, R> {
    Operands { theta: inputs[0], gate: inputs[1], tau: inputs[2], eta: inputs[3], drift: inputs[4] }
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
        Params { batch, tokens, heads, dim, half: self.scores.padded() as u32 / 2, causal: causal.into() }
    }

    /// The features of angles under a gate, a temperature and drifts; what is mixed of them, and the queries' statistics.
    pub(super) fn mix(&self, commands: &mut Commands, inputs: [&Tensor; 4], dtype: DType) -> Result<[Tensor; 3]> {
        let features = self.scores.empty_heads(commands)?;
        let [theta, gate, tau, drift] = inputs;
        let binds = [read(theta), read(gate), read(tau), read(drift), write(&features)];
        let angles = features.len() / 6;
        let work = Work::invocations(angles).flops(60 * angles);
        commands.dispatch(&HEADS, dtype, &[], &self.params(), &binds, work)?;
        let [mixed, stats] = self.scores.mix(commands, &features)?;
        Ok([features, mixed, stats])
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
        let [theta, gate, tau, drift] = self.score_ports();
        vec![theta, gate, tau, Port::f32("eta", &[self.at.heads]), drift]
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
        let &[theta, gate, tau, eta, drift] = inputs else { return Ok(vec![]) };
        let [features, mixed, _] = of.mix(commands, [theta, gate, tau, drift], dtype)?;
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
        let (&[theta, gate, tau, eta, drift], Some(g)) = (inputs, cotangents[0]) else { return Ok(all) };
        let [features, mixed, stats] = of.mix(commands, [theta, gate, tau, drift], dtype)?;
        let (params, angles) = (of.params(), theta.len());
        let mixed_bar = of.scores.empty(commands, of.scores.padded())?;
        let (delta, pull) = (of.scores.empty(commands, 1)?, of.scores.empty(commands, 1)?);
        let binds = [read(eta), read(&features), read(&mixed), read(g), write(&mixed_bar), write(&delta), write(&pull)];
        let work = Work::invocations(of.scores.rows()).rounds(of.scores.padded() / 2).flops(14 * angles);
        commands.dispatch(&BACKWARD_MIXED, dtype, &[], &params, &binds, work)?;
        let [q_bar, k_bar, v_bar] = of.scores.bars(commands, &features, &stats, &mixed_bar, &delta)?;
        if needs[0] {
            let theta_bar = commands.empty(&of.theta_shape(), dtype)?;
            let bars = [read(&q_bar), read(&k_bar), read(&v_bar)];
            let binds =
                [&[read(eta), read(&features), read(&mixed), read(g)], bars.as_slice(), &[write(&theta_bar)]].concat();
            commands.dispatch(&BACKWARD, dtype, &[], &params, &binds, Work::invocations(angles).flops(18 * angles))?;
            all[0] = Some(theta_bar);
        }
        if needs[1..].contains(&true) {
            let [gate_bar, drift_bar] =
                [commands.empty(gate.shape(), DType::F32)?, commands.empty(drift.shape(), DType::F32)?];
            let binds = [read(tau), read(&features), read(&q_bar), read(&k_bar), write(&gate_bar), write(&drift_bar)];
            let work = Work::workgroups(gate.len()).rounds(of.over_tokens()).flops(13 * angles);
            commands.dispatch(&BACKWARD_GATE, DType::F32, &[], &params, &binds, work)?;
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
        Ok(all)
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// A step of angles `theta`, `[batch, tokens, heads, dim]` in radians, towards the circular mean of the tokens that each
    /// attends to: `theta_t + eta sum_u A_tu sin(theta_u - theta_t)`, wrapped to `[-pi, pi]`, with
    /// `A = softmax_u(1/tau sum_d gate_d cos(theta_td - theta_ud + drift_d (t - u)))` per head. No matrix of scores is
    /// formed. Angles are at most 10,000, and so is `drift t`; up to 4096 tokens a drift costs no accuracy.
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
        let PhaseCoupling { gate, tau, eta, drift } = *coupling;
        let op = KuramotoAttention::new(theta.shape(), causal)?;
        Ok(self.apply(&op, &[theta, gate, tau, eta, drift])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::kuramoto_attention`](crate::Commands::kuramoto_attention), differentiable in all operands. Scores are
    /// computed again in the backward pass, nothing of their size is stored.
    ///
    /// # Errors
    /// As [`Commands::kuramoto_attention`](crate::Commands::kuramoto_attention).
    pub fn kuramoto_attention(&mut self, theta: Var, coupling: &PhaseCoupling<Var>, causal: bool) -> Result<Var> {
        let PhaseCoupling { gate, tau, eta, drift } = *coupling;
        let op = KuramotoAttention::new(&self.spec(theta)?.shape, causal)?;
        self.apply_one(op, &[theta, gate, tau, eta, drift])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "kuramoto_attention",
    formula: "dst_t = wrap(theta_t + eta sum_u A_tu sin(theta_u - theta_t)), A = softmax of gated cosines",
    differentiable: true,
    kernels: &[&HEADS, &FORWARD, &BACKWARD_MIXED, &BACKWARD, &BACKWARD_GATE, &BACKWARD_HEAD],
    cases: cases::cases,
};
