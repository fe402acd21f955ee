//! Attention as a coupling: projections to q, k, v, softmax over the keys with 2 x 2 matrices per token and channel pair,
//! projection of the result. The op is what lies between the projections; the methods add them.

use super::attention::Scores;
pub use super::attention::{
    BACKWARD_KV, BACKWARD_KV_FOUR, BACKWARD_KV_STAGED, BACKWARD_Q, BACKWARD_Q_FOUR, BACKWARD_Q_STAGED, FORWARD,
    FORWARD_FOUR, FORWARD_STAGED,
};
#[cfg(feature = "gpu")]
use super::call::{Call, alone};
use super::spec::{Op, OpSpec, Port};
use crate::cpu::Real;
use crate::cpu::couple_attention::{self as cpu, Layout};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Context, Tensor, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::DType;
use crate::tape::{Tape, Var};

#[path = "couple_attention_cases.rs"]
mod cases;
#[path = "couple_attention_contracts.rs"]
mod contracts;
#[cfg(feature = "gpu")]
#[path = "couple_attention_device.rs"]
mod device;

pub use contracts::{
    BACKWARD_MAT, BACKWARD_MAT_TILES, BACKWARD_MIXED, BACKWARD_MIXED_PATCH, BACKWARD_QKV, BACKWARD_QKV_PATCH, HEADS,
    HEADS_PATCH, MERGE, MERGE_PATCH,
};

/// Options of an attention coupling.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AttentionOptions {
    /// The axis of the channels: 1 for `[B, C, H, W]`, 2 for `[B, T, C]`. The tokens are all axes but the first and this
    /// one, in row-major order.
    pub axis: usize,
    /// Heads; a divisor of the channels.
    pub heads: usize,
    /// Whether channel `c` of head `h` is `c heads + h`, as in the published AKOrN; else it is `h d + c`.
    pub interleaved: bool,
    /// Whether a query sees only the keys up to itself.
    pub causal: bool,
}

impl AttentionOptions {
    /// Interleaved heads that see every key.
    pub fn new(heads: usize, axis: usize) -> AttentionOptions {
        AttentionOptions { axis, heads, interleaved: true, causal: false }
    }
}

/// Operands of an attention coupling besides the state of `C` channels, as tensors or variables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AttentionWeights<T> {
    /// `[3 C, C]`: rows for q, k, v.
    pub w_qkv: T,
    /// `[3 C]`.
    pub b_qkv: Option<T>,
    /// `[C, C]`.
    pub w_o: T,
    /// `[C]`.
    pub b_o: Option<T>,
    /// Matrices of q, k, v and the result, `[tokens, d / 2, 2, 2]` each, shared by all heads of `d` channels; they act on
    /// the consecutive channels of a head in pairs.
    pub positions: [Option<T>; 4],
}

const MATRICES: [&str; 4] = ["mat_q", "mat_k", "mat_v", "mat_o"];

/// The coupling between its projections: `[.., 3 C, ..]` to `[.., C, ..]`, with fixed extents.
#[derive(Clone, Debug)]
pub struct CoupleAttention {
    shape: Vec<usize>,
    axis: usize,
    positions: [bool; 4],
    at: Layout,
    scores: Scores,
}

impl CoupleAttention {
    /// Attention over `qkv`, whose axis `options.axis` holds the channels of q, k and v; `positions` says which of the
    /// matrices are given.
    ///
    /// # Errors
    /// `Shape` if that axis is the first or is not there, or does not split into three times `heads`, or if there are
    /// matrices and a head has an odd number of channels; `Param` for no heads, `Index` for more elements than 32-bit
    /// indices reach.
    pub fn new(qkv: &[usize], positions: [bool; 4], options: &AttentionOptions) -> Result<CoupleAttention> {
        let refuse = |kind, argument: &str, got: String, wanted: String| {
            Err(Error::argument(kind, "couple_attention", argument, got, wanted))
        };
        let AttentionOptions { axis, heads, interleaved, causal } = *options;
        if heads == 0 {
            return refuse(ErrorKind::Param, "heads", "0".into(), "at least 1".into());
        }
        let Some(channels) = qkv.get(axis).copied().filter(|_| axis > 0) else {
            let wanted = format!("an axis of {qkv:?} after the first, which counts samples");
            return refuse(ErrorKind::Shape, "axis", axis.to_string(), wanted);
        };
        if channels == 0 || channels % 3 != 0 || channels / 3 % heads != 0 {
            let got = format!("{channels} channels along axis {axis}");
            let wanted = format!("q, k and v of {heads} heads, a multiple of {}", heads.saturating_mul(3));
            return refuse(ErrorKind::Shape, "qkv", got, wanted);
        }
        let dim = channels / 3 / heads;
        if dim % 2 != 0 && positions.contains(&true) {
            let wanted = "even, for the matrices act on pairs".to_string();
            return refuse(ErrorKind::Shape, "channels of a head", dim.to_string(), wanted);
        }
        let product = |extents: &[usize]| extents.iter().try_fold(1usize, |n, extent| n.checked_mul(*extent));
        let elements = product(qkv);
        let (before, inner) = (product(&qkv[1..axis]), product(&qkv[axis + 1..]));
        let (Some(before), Some(inner), Some(elements)) = (before, inner, elements) else {
            let message = format!("couple_attention: {qkv:?} has more elements than 32-bit indices reach");
            return Err(Error::new(ErrorKind::Index, message));
        };
        let at = Layout { batch: qkv[0], tokens: before.saturating_mul(inner), inner, heads, dim, interleaved, causal };
        let (scale, variant) = (1.0 / (dim as f64).sqrt(), None);
        let scores = Scores { heads: at.batch.saturating_mul(heads), tokens: at.tokens, dim, causal, scale, variant };
        let op = CoupleAttention { shape: qkv.to_vec(), axis, positions, at, scores };
        let padded = [qkv[0], 3 * heads, at.tokens, scores.padded()];
        let matrices = product(&[at.tokens, dim, 2]);
        if [Some(elements), product(&padded), matrices].iter().any(|n| n.is_none_or(|n| u32::try_from(n).is_err())) {
            let message =
                format!("couple_attention: {qkv:?} has more elements than 32-bit indices reach ({})", u32::MAX);
            return Err(Error::new(ErrorKind::Index, message));
        }
        Ok(op)
    }

    fn dst_shape(&self) -> Vec<usize> {
        let mut shape = self.shape.clone();
        shape[self.axis] /= 3;
        shape
    }

    /// The operand that stands at each of the four places of the matrices.
    fn split<'a, T: ?Sized>(&self, inputs: &[&'a T]) -> [Option<&'a T>; 4] {
        let mut rest = inputs.iter().skip(1);
        self.positions.map(|given| if given { rest.next().copied() } else { None })
    }
}

impl Op for CoupleAttention {
    fn name(&self) -> &'static str {
        "couple_attention"
    }
    fn inputs(&self) -> Vec<Port> {
        let matrix = [self.at.tokens, self.at.dim / 2, 2, 2];
        let given = MATRICES.iter().zip(self.positions).filter(|(_, given)| *given);
        let mut ports = vec![Port::storage("qkv", &self.shape)];
        ports.extend(given.map(|(name, _)| Port::storage(name, &matrix)));
        ports
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::storage("dst", &self.dst_shape())]
    }
    fn parameters(&self) -> &'static [&'static str] {
        &MATRICES
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(inputs[0], &self.split(inputs), &self.at)]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        cpu::backward(inputs[0], &self.split(inputs), cotangents[0], &self.at)
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], dtype: DType) -> Result<Vec<Tensor>> {
        Ok(self.forward_keeping(commands, inputs, dtype)?.0)
    }
    #[cfg(feature = "gpu")]
    fn forward_keeping(
        &self,
        commands: &mut Commands,
        inputs: &[&Tensor],
        dtype: DType,
    ) -> Result<(Vec<Tensor>, Vec<Tensor>)> {
        self.on(commands.context()).attend(commands, inputs, dtype)
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
        alone(self, commands, inputs, cotangents, needs, dtype)
    }
    #[cfg(feature = "gpu")]
    fn backward_of(&self, commands: &mut Commands, call: Call<'_>) -> Result<Vec<Option<Tensor>>> {
        match call.cotangents[0] {
            Some(g) => self.on(commands.context()).attend_backward(commands, &call, g),
            None => Ok(vec![None; call.inputs.len()]),
        }
    }
}

#[cfg(feature = "gpu")]
impl CoupleAttention {
    /// The same with the kernels for a device.
    fn on(&self, context: &Context) -> CoupleAttention {
        CoupleAttention { scores: self.scores.on(context), ..self.clone() }
    }

    /// The result, and what the gradients need of it: heads, mixed values and the queries' statistics.
    fn attend(&self, commands: &mut Commands, inputs: &[&Tensor], dtype: DType) -> Result<(Vec<Tensor>, Vec<Tensor>)> {
        let [heads, mixed, stats] = self.mix(commands, inputs, dtype)?;
        let dst = commands.empty(&self.dst_shape(), dtype)?;
        let nothing = self.nothing(commands, dtype)?;
        let mat_o = self.split(inputs)[3].unwrap_or(&nothing);
        let binds = [read(&mixed), read(mat_o), write(&dst)];
        let (kernel, work) = self.between([&MERGE, &MERGE_PATCH], self.at.dim, 1);
        commands.dispatch(kernel, dtype, &[], &self.params_heads(), &binds, work.flops(3 * dst.len()))?;
        Ok((vec![dst], vec![heads, mixed, stats]))
    }

    fn attend_backward(&self, commands: &mut Commands, call: &Call<'_>, g: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let Call { inputs, needs, dtype, .. } = *call;
        let mut all = vec![None; inputs.len()];
        let [heads, mixed, stats] = match call.kept {
            [heads, mixed, stats] => [heads, mixed, stats].map(Tensor::clone),
            _ => self.mix(commands, inputs, dtype)?,
        };
        let matrices = self.split(inputs);
        let width = self.at.width();
        // Where the cotangent of each set of matrices goes.
        let mut next = 0;
        let places = self.positions.map(|given| {
            next += usize::from(given);
            if given && needs[next] { Some(next) } else { None }
        });
        if let Some(place) = places[3] {
            all[place] = Some(self.matrix_bar(commands, &mixed, g, (width, 0, true), dtype)?);
        }
        if !needs[0] && places[..3].iter().all(Option::is_none) {
            return Ok(all);
        }
        let (mixed_bar, delta) = (self.scores.empty(commands, self.scores.padded())?, self.scores.empty(commands, 1)?);
        let nothing = self.nothing(commands, dtype)?;
        let mat_o = matrices[3].unwrap_or(&nothing);
        let binds = [read(g), read(mat_o), read(&mixed), write(&mixed_bar), write(&delta)];
        let (kernel, work) = self.of_queries();
        commands.dispatch(kernel, dtype, &[], &self.params_heads(), &binds, work.flops(5 * mixed_bar.len()))?;
        let bars = self.scores.bars(commands, &heads, &stats, &mixed_bar, &delta)?;
        for (part, bar) in bars.iter().enumerate() {
            if let Some(place) = places[part] {
                let of = (3 * width, part * width, false);
                all[place] = Some(self.matrix_bar(commands, bar, inputs[0], of, dtype)?);
            }
        }
        if needs[0] {
            let qkv_bar = commands.empty(&self.shape, dtype)?;
            let [q, k, v, _] = matrices.map(|m| m.unwrap_or(&nothing));
            let [q_bar, k_bar, v_bar] = &bars;
            let binds = [read(q_bar), read(k_bar), read(v_bar), read(q), read(k), read(v), write(&qkv_bar)];
            let (kernel, work) = self.between([&BACKWARD_QKV, &BACKWARD_QKV_PATCH], self.at.dim, 3);
            commands.dispatch(kernel, dtype, &[], &self.params_heads(), &binds, work.flops(3 * qkv_bar.len()))?;
            all[0] = Some(qkv_bar);
        }
        Ok(all)
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// Attention as a coupling, `W_o o + b_o` for the attention `o` of `q, k, v = W_qkv x + b_qkv`, over all tokens of a
    /// sample: `x` and the result have `C` channels along `options.axis`. Source: AKOrN, equations 8 and 9.
    ///
    /// # Errors
    /// `Shape`, `Param` for no heads, `Index`, `DType`; as [`Commands::apply`].
    pub fn couple_attention(
        &mut self,
        x: &Tensor,
        weights: &AttentionWeights<&Tensor>,
        options: &AttentionOptions,
    ) -> Result<Tensor> {
        let o = self.attended(x, weights, options)?;
        self.linear(&o, weights.w_o, weights.b_o, options.axis)
    }

    /// What lies before the last projection.
    fn attended(
        &mut self,
        x: &Tensor,
        weights: &AttentionWeights<&Tensor>,
        options: &AttentionOptions,
    ) -> Result<Tensor> {
        let qkv = self.linear(x, weights.w_qkv, weights.b_qkv, options.axis)?;
        let core = CoupleAttention::new(qkv.shape(), weights.positions.map(|m| m.is_some()), options)?;
        let mut inputs = vec![&qkv];
        inputs.extend(weights.positions.iter().flatten());
        Ok(self.apply(&core, &inputs)?.remove(0))
    }

    /// `W_o o + b_o + drive`, as [`Commands::couple_attention`] with a drive like `x` that is added before the result is
    /// stored.
    ///
    /// # Errors
    /// As [`Commands::couple_attention`].
    pub fn couple_attention_driven(
        &mut self,
        x: &Tensor,
        weights: &AttentionWeights<&Tensor>,
        drive: &Tensor,
        options: &AttentionOptions,
    ) -> Result<Tensor> {
        let o = self.attended(x, weights, options)?;
        self.linear_plus(&o, weights.w_o, weights.b_o, drive, options.axis)
    }
}

impl Tape {
    /// As [`Commands::couple_attention`](crate::Commands::couple_attention), differentiable in all operands; the
    /// gradients of weights, biases and matrices are f32. Scores are computed again in the backward pass, nothing of
    /// their size is stored; what is stored are the heads of q, k and v and what the queries see, four times `x` in f32.
    ///
    /// # Errors
    /// As [`Commands::couple_attention`](crate::Commands::couple_attention).
    pub fn couple_attention(
        &mut self,
        x: Var,
        weights: &AttentionWeights<Var>,
        options: &AttentionOptions,
    ) -> Result<Var> {
        let o = self.attended(x, weights, options)?;
        self.linear(o, weights.w_o, weights.b_o, options.axis)
    }

    fn attended(&mut self, x: Var, weights: &AttentionWeights<Var>, options: &AttentionOptions) -> Result<Var> {
        let qkv = self.linear(x, weights.w_qkv, weights.b_qkv, options.axis)?;
        let core = CoupleAttention::new(&self.spec(qkv)?.shape, weights.positions.map(|m| m.is_some()), options)?;
        let mut inputs = vec![qkv];
        inputs.extend(weights.positions.iter().flatten());
        self.apply_one(core, &inputs)
    }

    /// As [`Commands::couple_attention_driven`](crate::Commands::couple_attention_driven), differentiable in all operands.
    ///
    /// # Errors
    /// As [`Commands::couple_attention_driven`](crate::Commands::couple_attention_driven).
    pub fn couple_attention_driven(
        &mut self,
        x: Var,
        weights: &AttentionWeights<Var>,
        drive: Var,
        options: &AttentionOptions,
    ) -> Result<Var> {
        let o = self.attended(x, weights, options)?;
        self.linear_plus(o, weights.w_o, weights.b_o, drive, options.axis)
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "couple_attention",
    formula: "o = Mo softmax((Mq q) . (Mk k) / sqrt(d)) (Mv v) per head",
    differentiable: true,
    kernels: &[
        &HEADS,
        &HEADS_PATCH,
        &FORWARD,
        &FORWARD_FOUR,
        &FORWARD_STAGED,
        &MERGE,
        &MERGE_PATCH,
        &BACKWARD_MIXED,
        &BACKWARD_MIXED_PATCH,
        &BACKWARD_Q,
        &BACKWARD_Q_FOUR,
        &BACKWARD_Q_STAGED,
        &BACKWARD_KV,
        &BACKWARD_KV_FOUR,
        &BACKWARD_KV_STAGED,
        &BACKWARD_QKV,
        &BACKWARD_QKV_PATCH,
        &BACKWARD_MAT,
        &BACKWARD_MAT_TILES,
        &super::sum_columns::KERNEL,
    ],
    cases: cases::cases,
};
