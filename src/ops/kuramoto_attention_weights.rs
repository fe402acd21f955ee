//! The weights of a Kuramoto attention, for looking at.

pub use super::kuramoto_attention::WEIGHTS as FORWARD;
use super::kuramoto_attention::{KuramotoAttention, PhaseCoupling, rows};
use super::spec::{Case, Op, OpSpec, Port};
use crate::cpu::kuramoto_attention::Operands;
use crate::cpu::{Real, kuramoto_attention_weights as cpu};
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
use crate::kernel::DType;
use crate::tape::{Tape, Var};

/// The weights of a Kuramoto attention with fixed extents.
#[derive(Clone, Debug)]
pub struct KuramotoAttentionWeights {
    of: KuramotoAttention,
}

impl KuramotoAttentionWeights {
    fn shape(&self) -> [usize; 4] {
        [self.of.at.batch, self.of.at.heads, self.of.at.tokens, self.of.at.tokens]
    }

    /// The weights that [`KuramotoAttention::new`] of the same arguments uses.
    ///
    /// # Errors
    /// As [`KuramotoAttention::new`]; `Index` also for the weights.
    pub fn new(theta: &[usize], causal: bool, content: bool) -> Result<KuramotoAttentionWeights> {
        let op = KuramotoAttentionWeights { of: KuramotoAttention::new(theta, causal, content)? };
        super::layout::indexable("kuramoto_attention_weights", &op.shape())?;
        Ok(op)
    }
}

impl Op for KuramotoAttentionWeights {
    fn name(&self) -> &'static str {
        "kuramoto_attention_weights"
    }
    fn inputs(&self) -> Vec<Port> {
        self.of.score_ports()
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::f32("weights", &self.shape())]
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        let content = inputs.get(4).zip(inputs.get(5)).map(|(queries, keys)| [*queries, *keys]);
        // The step is none of the weights' business.
        let x = Operands { theta: inputs[0], gate: inputs[1], tau: inputs[2], eta: &[], drift: inputs[3], content };
        vec![cpu::forward(&x, &self.of.at)]
    }
    fn reference_vjp<R: Real>(&self, _: &[&[R]], _: &[&[R]]) -> Vec<Vec<R>> {
        vec![]
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], dtype: DType) -> Result<Vec<Tensor>> {
        let of = self.of.on(commands.context());
        let [features, _, stats] = of.mix(commands, inputs, dtype)?;
        let weights = commands.empty(&self.shape(), DType::F32)?;
        let width = of.scores.padded();
        let work = Work::invocations(weights.len()).rounds(width).flops(2 * width * weights.len());
        let binds = [read(&features), read(&stats), write(&weights)];
        commands.dispatch(&FORWARD, DType::F32, &[], &of.params(), &binds, work)?;
        Ok(vec![weights])
    }
    #[cfg(feature = "gpu")]
    fn backward(
        &self,
        _: &mut Commands,
        _: &[&Tensor],
        _: &[Option<&Tensor>],
        needs: &[bool],
        _: DType,
    ) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![None; needs.len()])
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// The softmax weights `[batch, heads, tokens, tokens]`, f32, rows queries, of
    /// [`Commands::kuramoto_attention`] over angles `theta`; the step `eta` does not matter. Memory grows with the square of the tokens.
    ///
    /// # Errors
    /// `Shape`, `Index`, `DType`; as [`Commands::apply`].
    pub fn kuramoto_attention_weights(
        &mut self,
        theta: &Tensor,
        coupling: &PhaseCoupling<&Tensor>,
        causal: bool,
    ) -> Result<Tensor> {
        let op = KuramotoAttentionWeights::new(theta.shape(), causal, coupling.content.is_some())?;
        Ok(self.apply(&op, &coupling.score_operands(theta))?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::kuramoto_attention_weights`](crate::Commands::kuramoto_attention_weights): for looking at, no gradient
    /// flows through.
    ///
    /// # Errors
    /// As [`Commands::kuramoto_attention_weights`](crate::Commands::kuramoto_attention_weights).
    pub fn kuramoto_attention_weights(
        &mut self,
        theta: Var,
        coupling: &PhaseCoupling<Var>,
        causal: bool,
    ) -> Result<Var> {
        let op = KuramotoAttentionWeights::new(&self.spec(theta)?.shape, causal, coupling.content.is_some())?;
        self.apply_one(op, &coupling.score_operands(theta))
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "kuramoto_attention_weights",
    formula: "weights_tu = softmax over u of sum_d gate_d cos(theta_td - theta_ud + drift_d (t - u)) / tau",
    differentiable: false,
    kernels: &[&FORWARD],
    cases,
};

/// The weights of a query sum to 1. Per unit `u`: each key's sum and product, the built-ins 16; a score is computed twice,
/// in two orders, each of `2 dim + 4` roundings of numbers whose sizes add up to `sum gate / tau`, and `exp` hands on their
/// difference.
fn stochastic_law(inputs: &[Vec<f64>], outputs: &[Vec<f64>], case: &Case, _: DType) -> f64 {
    let (tokens, dim) = (case.op.outputs()[0].shape[3], case.op.inputs()[1].shape[1]);
    let sizes = inputs[1]
        .chunks_exact(dim)
        .zip(&inputs[2])
        .map(|(gate, tau)| gate.iter().map(|g| g.abs()).sum::<f64>() / tau.abs());
    // Gates of tokens multiply both sides, each rounded once.
    let largest =
        |input: Option<&Vec<f64>>| input.map_or(1.0, |gates| gates.iter().fold(0.0f64, |m, g| m.max(g.abs())));
    let size = sizes.fold(0.0, f64::max) * largest(inputs.get(4)) * largest(inputs.get(5));
    let allowed = (tokens as f64 + 16.0 + 2.0 * (2 * dim + 4) as f64 * size) * f64::powi(2.0, -23);
    let sums = outputs[0].chunks_exact(tokens.max(1)).map(|row| (row.iter().sum::<f64>() - 1.0).abs() / allowed);
    sums.fold(0.0, |worst, r| if r > worst || r.is_nan() { r } else { worst })
}

fn cases() -> Vec<Case> {
    let case = |row: super::kuramoto_attention::Row| {
        let (of, text, fills, [_, timed]) = row.parts(None)?;
        let variant = of.scores.variant().name();
        let case = Case::new(text, KuramotoAttentionWeights { of }, fills).variant(variant);
        let case = case.law("rows sum to one", stochastic_law);
        Some(if timed { case.bench() } else { case })
    };
    rows().into_iter().filter_map(case).collect()
}
