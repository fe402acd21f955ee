//! A transformer block: attention and a perceptron, each behind a norm and perhaps a gate.
//!
//! States are `[B, T, D]`: samples, tokens, channels. Head `h` owns the consecutive channels `h D / H .. (h + 1) D / H`.
//! [`TransformerBlock::operands`] reads the parameters once, [`TransformerBlock::run`] applies them as often as wanted: a
//! loop, a checkpoint or a fixed point passes the operands into its step.

mod config;

pub use config::{BlockNorm, Gate, Mlp, Placement, Positions, TransformerConfig};

use crate::error::{Error, ErrorKind, Result};
use crate::model::parameters::{Bound, Builder, Initial, Role};
use crate::model::position;
use crate::ops::couple_attention::{AttentionOptions, CoupleAttention};
use crate::tape::{Tape, Var};

/// Channels are the last of the three axes.
const AXIS: usize = 2;

/// A block: its options and the prefix of its parameters' names.
///
/// ```text
/// x <- x + g_a attention(norm_1(x)),  x <- x + g_m mlp(norm_2(x))     (Placement::Before)
/// x <- norm_1(x + g_a attention(x)),  x <- norm_2(x + g_m mlp(x))     (Placement::After)
/// ```
/// Sources: Vaswani et al. 2017; placement before the branches, Xiong et al. 2020; gates, arXiv 2605.12466. Parameters are
/// `norm_1.weight`, `attn.c_q.weight`, `attn.c_k.weight`, `attn.c_v.weight`, `attn.c_proj.weight`, `raw_gamma_attn`,
/// `norm_2.weight`, `mlp.fc.weight`, `mlp.proj.weight`, `raw_gamma_mlp`, and `.bias` beside `.weight` where there are biases.
#[derive(Clone, Debug)]
pub struct TransformerBlock {
    config: TransformerConfig,
    prefix: String,
}

impl TransformerBlock {
    /// A block whose parameters' names begin with `prefix` (`"blocks.0."`, or nothing).
    ///
    /// # Errors
    /// `Param` without channels, hidden channels or heads, if the heads do not divide the channels, for an odd head size
    /// with rotation, for a base or an `eps` that is not positive, or for a gate's limit that is not.
    pub fn new(config: TransformerConfig, prefix: impl Into<String>) -> Result<TransformerBlock> {
        config.check()?;
        Ok(TransformerBlock { config, prefix: prefix.into() })
    }

    /// The options.
    pub fn config(&self) -> &TransformerConfig {
        &self.config
    }

    fn name(&self, rest: &str) -> String {
        format!("{}{rest}", self.prefix)
    }

    /// Adds the block's parameters: maps as PyTorch has them, norms of weight 1, gates where [`Gate::start`] says.
    pub fn parameters(&self, builder: &mut Builder) {
        let TransformerConfig { width, hidden, bias, .. } = self.config;
        let widened = if self.config.mlp == Mlp::Swiglu { 2 * hidden } else { hidden };
        for (norm, gate) in [("norm_1", "raw_gamma_attn"), ("norm_2", "raw_gamma_mlp")] {
            builder.add(self.name(&format!("{norm}.weight")), &[width], Role::Learned, Initial::Constant(1.0));
            if self.config.norm_has_bias() {
                builder.add(self.name(&format!("{norm}.bias")), &[width], Role::Learned, Initial::Constant(0.0));
            }
            if let Some(Gate { start, .. }) = self.config.gate {
                builder.add(self.name(gate), &[width], Role::Learned, Initial::Constant(start));
            }
        }
        for part in ["c_q", "c_k", "c_v", "c_proj"] {
            builder.affine(&self.name(&format!("attn.{part}")), &[width, width], bias);
        }
        builder.affine(&self.name("mlp.fc"), &[widened, width], bias);
        builder.affine(&self.name("mlp.proj"), &[width, hidden], bias);
    }

    /// What [`TransformerBlock::run`] needs for samples of `tokens` tokens, in its order: to be read once and passed into
    /// every step of a loop. The maps of q, k and v are joined here.
    ///
    /// # Errors
    /// `Param` for a parameter that `bound` lacks, `Shape` for another number of tokens than a board has cells; whatever the
    /// ops return.
    pub fn operands(&self, tape: &mut Tape, bound: &Bound, tokens: usize) -> Result<Vec<Var>> {
        let get = |rest: &str| bound.get(&self.name(rest));
        let mut list = vec![get("norm_1.weight")?];
        if self.config.norm_has_bias() {
            list.push(get("norm_1.bias")?);
        }
        for part in self.config.affine() {
            let three = ["q", "k", "v"].map(|of| get(&format!("attn.c_{of}.{part}")));
            let [q, k, v] = three;
            let qk = tape.concat(q?, k?, 0)?;
            list.push(tape.concat(qk, v?, 0)?);
        }
        for part in self.config.affine() {
            list.push(get(&format!("attn.c_proj.{part}"))?);
        }
        let dim = self.config.dim();
        let rotations = match self.config.positions {
            Positions::None => vec![],
            Positions::Rotary { base } => vec![position::rope(tokens, dim, base)?],
            Positions::Board { side } if side.checked_mul(side) != Some(tokens) => {
                let wanted = format!("the cells of a board of {side} x {side}");
                return Err(Error::argument(ErrorKind::Shape, "TransformerBlock", "tokens", tokens, wanted));
            }
            Positions::Board { side } => {
                let turned = position::board(side, dim)?;
                let back = position::transposed(&turned)?;
                vec![turned, back]
            }
        };
        let dtype = tape.spec(list[0])?.dtype;
        for matrices in rotations {
            let matrices = tape.upload(&matrices, &[tokens, dim / 2, 2, 2], dtype)?;
            list.push(tape.constant(matrices));
        }
        if self.config.gate.is_some() {
            list.push(get("raw_gamma_attn")?);
        }
        list.push(get("norm_2.weight")?);
        if self.config.norm_has_bias() {
            list.push(get("norm_2.bias")?);
        }
        for layer in ["fc", "proj"] {
            for part in self.config.affine() {
                list.push(get(&format!("mlp.{layer}.{part}"))?);
            }
        }
        if self.config.gate.is_some() {
            list.push(get("raw_gamma_mlp")?);
        }
        Ok(list)
    }

    /// How many operands there are.
    pub fn operand_count(&self) -> usize {
        let gates = if self.config.gate.is_some() { 2 } else { 0 };
        let norms = if self.config.norm_has_bias() { 4 } else { 2 };
        let rotations = match self.config.positions {
            Positions::None => 0,
            Positions::Rotary { .. } => 1,
            Positions::Board { .. } => 2,
        };
        norms + 4 * self.config.affine().len() + rotations + gates
    }

    /// The block's map of `x` `[B, T, D]`, with what [`TransformerBlock::operands`] returned for as many tokens; on the
    /// tape of `x`, which may be the inner one of a loop's step.
    ///
    /// # Errors
    /// `Param` for another number of operands; `Shape` if `x` is not `[B, T, D]` or has other tokens; whatever the ops return.
    pub fn run(&self, tape: &mut Tape, x: Var, operands: &[Var]) -> Result<Var> {
        let wanted = self.operand_count();
        if operands.len() != wanted {
            return Err(Error::argument(ErrorKind::Param, "TransformerBlock", "operands", operands.len(), wanted));
        }
        let shape = tape.spec(x)?.shape;
        if !matches!(shape[..], [_, _, width] if width == self.config.width) {
            let wanted = format!("[B, T, {}]", self.config.width);
            return Err(Error::argument(ErrorKind::Shape, "TransformerBlock", "x", format!("{shape:?}"), wanted));
        }
        let mut rest = Operands { list: operands.iter().copied() };
        let x = self.branch(tape, x, &mut rest, |tape, x, addend, rest| self.attend(tape, x, addend, rest))?;
        self.branch(tape, x, &mut rest, |tape, x, addend, rest| self.perceive(tape, x, addend, rest))
    }

    /// [`TransformerBlock::run`] with the parameters in `bound`.
    ///
    /// # Errors
    /// As [`TransformerBlock::operands`] and [`TransformerBlock::run`].
    pub fn forward(&self, tape: &mut Tape, bound: &Bound, x: Var) -> Result<Var> {
        let tokens = tape.spec(x)?.shape.get(1).copied().unwrap_or(0);
        let operands = self.operands(tape, bound, tokens)?;
        self.run(tape, x, &operands)
    }

    /// `x` and one branch, normalised before or after.
    fn branch(
        &self,
        tape: &mut Tape,
        x: Var,
        rest: &mut Operands<'_>,
        branch: impl Fn(&mut Tape, Var, Option<Var>, &mut Operands<'_>) -> Result<Var>,
    ) -> Result<Var> {
        let weight = rest.next()?;
        let bias = rest.next_if(self.config.norm_has_bias())?;
        let norm = |tape: &mut Tape, x: Var| match self.config.norm {
            BlockNorm::Rms { eps } => tape.norm_rms(x, Some(weight), AXIS, eps),
            BlockNorm::Layer { eps } => tape.norm_layer(x, Some(weight), bias, AXIS, eps),
        };
        let input = match self.config.placement {
            Placement::Before => norm(tape, x)?,
            Placement::After => x,
        };
        let sum = match self.config.gate {
            Some(Gate { limit, .. }) => {
                let change = branch(tape, input, None, rest)?;
                tape.layer_scale(x, change, rest.next()?, AXIS, limit)?
            }
            // The branch's last map adds what it branches from.
            None => branch(tape, input, Some(x), rest)?,
        };
        match self.config.placement {
            Placement::Before => Ok(sum),
            Placement::After => norm(tape, sum),
        }
    }

    fn attend(&self, tape: &mut Tape, x: Var, addend: Option<Var>, rest: &mut Operands<'_>) -> Result<Var> {
        let TransformerConfig { heads, causal, bias, .. } = self.config;
        let (weight, shift) = (rest.next()?, rest.next_if(bias)?);
        let mut qkv = tape.linear(x, weight, shift, AXIS)?;
        let (weight, shift) = (rest.next()?, rest.next_if(bias)?);
        let turned = rest.next_if(self.config.positions != Positions::None)?;
        let back = rest.next_if(matches!(self.config.positions, Positions::Board { .. }))?;
        if let Some(eps) = self.config.head_norm {
            // A rotation keeps the mean square: normalised before or after it, queries and keys are the same.
            qkv = tape.norm_heads(qkv, 3 * heads, 2 * heads, eps)?;
        }
        let options = AttentionOptions { interleaved: false, causal, ..AttentionOptions::new(heads, AXIS) };
        // Queries and keys, then values and the result.
        let matrices = [turned, turned, back.and(turned), back];
        let core = CoupleAttention::new(&tape.spec(qkv)?.shape, matrices.map(|m| m.is_some()), &options)?;
        let mut inputs = vec![qkv];
        inputs.extend(matrices.into_iter().flatten());
        let seen = tape.apply_one(core, &inputs)?;
        project(tape, seen, weight, shift, addend)
    }

    fn perceive(&self, tape: &mut Tape, x: Var, addend: Option<Var>, rest: &mut Operands<'_>) -> Result<Var> {
        let bias = self.config.bias;
        let (weight, shift) = (rest.next()?, rest.next_if(bias)?);
        let hidden = tape.linear(x, weight, shift, AXIS)?;
        let hidden = match self.config.mlp {
            Mlp::Gelu => tape.gelu(hidden)?,
            Mlp::ReluSquared => tape.relu_squared(hidden)?,
            Mlp::Swiglu => tape.swiglu(hidden, AXIS)?,
        };
        let (weight, shift) = (rest.next()?, rest.next_if(bias)?);
        project(tape, hidden, weight, shift, addend)
    }
}

/// The last map of a branch.
fn project(tape: &mut Tape, x: Var, weight: Var, bias: Option<Var>, addend: Option<Var>) -> Result<Var> {
    match addend {
        Some(addend) => tape.linear_plus(x, weight, bias, addend, AXIS),
        None => tape.linear(x, weight, bias, AXIS),
    }
}

/// The operands that are still to be used.
struct Operands<'a> {
    list: std::iter::Copied<std::slice::Iter<'a, Var>>,
}

impl Operands<'_> {
    fn next(&mut self) -> Result<Var> {
        // `run` compares their number.
        self.list.next().ok_or_else(|| Error::new(ErrorKind::Param, "TransformerBlock: an operand is missing"))
    }

    fn next_if(&mut self, given: bool) -> Result<Option<Var>> {
        given.then(|| self.next()).transpose()
    }
}
