//! The baseline of the Sudoku experiments: self-attention that is repeated with the same weights, without oscillators.

use super::layer::Run;
use super::sudoku::{boards, cross_entropy};
use crate::error::{Error, ErrorKind, Result};
use crate::kernel::DType;
use crate::model::parameters::{Bound, Builder, Initial, Parameters, Role};
use crate::ops::couple_attention::{AttentionOptions, AttentionWeights};
use crate::tape::{Stepped, Tape, Var};

/// Options of the iterated self-attention.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ItrsaConfig {
    /// Cells along a side, which is also the number of digits: 9, or 4 for the small game.
    pub side: usize,
    /// Channels, a multiple of `heads`.
    pub channels: usize,
    /// Heads of the attention.
    pub heads: usize,
    /// Blocks, each of which repeats its attention before its perceptron follows once.
    pub blocks: usize,
}

impl Default for ItrsaConfig {
    /// The published baseline.
    fn default() -> ItrsaConfig {
        ItrsaConfig { side: 9, channels: 512, heads: 8, blocks: 1 }
    }
}

/// Iterated self-attention, "ItrSA" in arXiv 2410.13821: digits and positions are embedded; a block adds
/// `attention(norm(x))` to `x` as often as it is told, with the same weights, then `perceptron(norm(x))` once. Normalised
/// again, a linear map reads the digits off. The start is not random and there is no energy.
#[derive(Clone, Debug)]
pub struct Itrsa {
    config: ItrsaConfig,
}

/// PyTorch's default.
const EPS: f32 = 1e-5;

/// Channels are the second axis.
const AXIS: usize = 1;

impl Itrsa {
    /// The network of `config`.
    ///
    /// # Errors
    /// `Param` without cells, channels or blocks, or if the heads do not divide the channels.
    pub fn new(config: ItrsaConfig) -> Result<Itrsa> {
        let ItrsaConfig { side, channels, heads, blocks } = config;
        if side == 0 || channels == 0 || blocks == 0 {
            let got = format!("{side} cells a side, {channels} channels, {blocks} blocks");
            return Err(Error::argument(ErrorKind::Param, "Itrsa", "options", got, "at least one of each"));
        }
        if heads == 0 || channels % heads != 0 {
            let wanted = format!("a divisor of the {channels} channels");
            return Err(Error::argument(ErrorKind::Param, "Itrsa", "heads", heads, wanted));
        }
        Ok(Itrsa { config })
    }

    /// The options.
    pub fn config(&self) -> &ItrsaConfig {
        &self.config
    }

    /// Initial parameters, drawn from `seed`: embeddings are normal, as PyTorch has them, and the rest as in its layers.
    ///
    /// # Errors
    /// None for the options that [`Itrsa::new`] accepts.
    pub fn parameters(&self, seed: u64) -> Result<Parameters> {
        let ItrsaConfig { side, channels, blocks, .. } = self.config;
        let mut builder = Builder::new(seed);
        builder.add("embedding.weight", &[side + 1, channels], Role::Learned, Initial::Normal(1.0));
        builder.add("positions.weight", &[side * side, channels], Role::Learned, Initial::Normal(1.0));
        let norm = |builder: &mut Builder, name: String| {
            builder.add(format!("{name}.weight"), &[channels], Role::Learned, Initial::Constant(1.0));
            builder.add(format!("{name}.bias"), &[channels], Role::Learned, Initial::Constant(0.0));
        };
        for block in 0..blocks {
            norm(&mut builder, format!("blocks.{block}.attention.norm"));
            builder.affine(&format!("blocks.{block}.attention.W_qkv"), &[3 * channels, channels], true);
            builder.affine(&format!("blocks.{block}.attention.W_o"), &[channels, channels], true);
            norm(&mut builder, format!("blocks.{block}.mlp.norm"));
            builder.affine(&format!("blocks.{block}.mlp.0"), &[2 * channels, channels], true);
            builder.affine(&format!("blocks.{block}.mlp.1"), &[channels, 2 * channels], true);
        }
        norm(&mut builder, "out.norm".into());
        builder.affine("out", &[side, channels], true);
        builder.finish()
    }

    /// Logits `[B, digits, rows, columns]` of the boards `puzzles` (`B * side * side` numbers, row by row, 0 for a blank)
    /// after `run.steps` rounds of attention in each block; digit `d` is at `d - 1`.
    ///
    /// # Errors
    /// `Shape` if the numbers are no whole boards, `Index` for a digit past the last; whatever the ops return.
    pub fn forward(&self, tape: &mut Tape, bound: &Bound, puzzles: &[u32], run: &Run) -> Result<Var> {
        let side = self.config.side;
        let batch = boards("Itrsa", "puzzles", side, puzzles, 0)?;
        let cells = (side * side) as u32;
        let embed = |tape: &mut Tape, indices: &[u32], name: &str| {
            let indices = tape.upload(indices, &[batch, side, side], DType::U32)?;
            let indices = tape.constant(indices);
            tape.embedding(indices, bound.get(name)?, AXIS)
        };
        let digits = embed(tape, puzzles, "embedding.weight")?;
        let at: Vec<u32> = (0..batch).flat_map(|_| 0..cells).collect();
        let positions = embed(tape, &at, "positions.weight")?;
        let mut x = tape.add(digits, positions)?;
        for block in 0..self.config.blocks {
            x = self.attend(tape, bound, x, block, run)?;
            x = perceptron(tape, bound, x, block)?;
        }
        let [weight, bias] = pair(bound, "out.norm")?;
        let x = tape.norm_layer(x, Some(weight), Some(bias), AXIS, EPS)?;
        let [weight, bias] = pair(bound, "out")?;
        tape.linear(x, weight, Some(bias), AXIS)
    }

    /// `run.steps` times `x + attention(norm(x))`.
    fn attend(&self, tape: &mut Tape, bound: &Bound, x: Var, block: usize, run: &Run) -> Result<Var> {
        let mut shared = Vec::new();
        for name in ["norm", "W_qkv", "W_o"] {
            shared.extend(pair(bound, &format!("blocks.{block}.attention.{name}"))?);
        }
        let options = AttentionOptions::new(self.config.heads, AXIS);
        let step = move |tape: &mut Tape, carried: &[Var], shared: &[Var]| {
            let normed = tape.norm_layer(carried[0], Some(shared[0]), Some(shared[1]), AXIS, EPS)?;
            let weights = AttentionWeights {
                w_qkv: shared[2],
                b_qkv: Some(shared[3]),
                w_o: shared[4],
                b_o: Some(shared[5]),
                positions: [None; 4],
            };
            let state = tape.couple_attention_driven(normed, &weights, carried[0], &options)?;
            Ok(Stepped { carried: vec![state], emitted: vec![] })
        };
        Ok(tape.repeat(run.steps, run.storage, &[x], &shared, step)?.carried[0])
    }

    /// Mean cross entropy over all cells, givens included; `solutions` are full boards.
    ///
    /// # Errors
    /// `Shape`, `Index` for a blank or a digit past the last.
    pub fn loss(&self, tape: &mut Tape, logits: Var, solutions: &[u32]) -> Result<Var> {
        cross_entropy(tape, "Itrsa", logits, self.config.side, solutions)
    }
}

/// `x + perceptron(norm(x))`.
fn perceptron(tape: &mut Tape, bound: &Bound, x: Var, block: usize) -> Result<Var> {
    let part = |name: &str| pair(bound, &format!("blocks.{block}.mlp.{name}"));
    let [weight, bias] = part("norm")?;
    let hidden = tape.norm_layer(x, Some(weight), Some(bias), AXIS, EPS)?;
    let [weight, bias] = part("0")?;
    let hidden = tape.linear(hidden, weight, Some(bias), AXIS)?;
    let hidden = tape.gelu(hidden)?;
    let [weight, bias] = part("1")?;
    tape.linear_plus(hidden, weight, Some(bias), x, AXIS)
}

/// Weight and bias of `name`.
fn pair(bound: &Bound, name: &str) -> Result<[Var; 2]> {
    Ok([bound.get(&format!("{name}.weight"))?, bound.get(&format!("{name}.bias"))?])
}
