//! The two networks: angles, and a transformer of about as many parameters.

use clap::ValueEnum;
use kuramoto::model::torus::{TorusConfig, TorusLanguageModel};
use kuramoto::model::transformer::{Mlp, TransformerBlock, TransformerConfig};
use kuramoto::model::{Bound, Builder, Initial, Parameters, Role};
use kuramoto::{Result, Tape, Var};
use serde::{Deserialize, Serialize};

/// Channels are the last of the three axes.
const AXIS: usize = 2;
const EPS: f32 = 1e-5;

/// Which network.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Kuramoto attention between angles
    Torus,
    /// Softmax attention with rotary positions, and SwiGLU
    Transformer,
}

impl Kind {
    pub const ALL: [Kind; 2] = [Kind::Torus, Kind::Transformer];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Torus => "torus",
            Kind::Transformer => "transformer",
        }
    }
}

/// How large.
#[derive(Clone, Copy, PartialEq, Debug, clap::Args, Serialize, Deserialize)]
pub struct Size {
    /// Blocks of each network
    #[arg(long, default_value_t = 2)]
    pub layers: usize,
    /// Heads of Kuramoto attention
    #[arg(long, default_value_t = 8)]
    pub heads: usize,
    /// Angles of a head; a token is heads times as many numbers in both networks
    #[arg(long, default_value_t = 8)]
    pub dim: usize,
    /// Let tokens gate their angles in the scores of Kuramoto attention by what they are
    #[arg(long)]
    #[serde(default)]
    pub content_gate: bool,
}

/// A network over so many symbols.
pub enum Network {
    Torus(TorusLanguageModel),
    Transformer(Transformer),
}

impl Network {
    pub fn new(kind: Kind, size: &Size, symbols: usize) -> Result<Network> {
        let config = TorusConfig { content_gate: size.content_gate, ..TorusConfig::new(size.heads, size.dim) };
        let torus = TorusLanguageModel::new(symbols, size.layers, config)?;
        match kind {
            Kind::Torus => Ok(Network::Torus(torus)),
            Kind::Transformer => {
                let most = torus.parameters(0)?.learned();
                Ok(Network::Transformer(Transformer::within(size, symbols, most)?))
            }
        }
    }

    pub fn parameters(&self, seed: u64) -> Result<Parameters> {
        match self {
            Network::Torus(model) => model.parameters(seed),
            Network::Transformer(model) => model.parameters(seed),
        }
    }

    /// Logits `[B, T, V]` for tokens `[B, T]`.
    pub fn forward(&self, tape: &mut Tape, bound: &Bound, tokens: Var) -> Result<Var> {
        match self {
            Network::Torus(model) => model.forward(tape, bound, tokens),
            Network::Transformer(model) => model.forward(tape, bound, tokens),
        }
    }
}

/// A table of vectors, blocks, a norm, and logits.
pub struct Transformer {
    symbols: usize,
    width: usize,
    blocks: Vec<TransformerBlock>,
}

impl Transformer {
    /// The one whose perceptrons are as wide as `most` parameters allow.
    fn within(size: &Size, symbols: usize, most: usize) -> Result<Transformer> {
        let make = |hidden: usize| {
            let width = size.heads * size.dim;
            // Heads of 16 channels where they divide: as many numbers as the features of 8 angles.
            let heads = if width.is_multiple_of(16) { width / 16 } else { size.heads };
            let config =
                TransformerConfig { causal: true, hidden, mlp: Mlp::Swiglu, ..TransformerConfig::new(width, heads) };
            let blocks = (0..size.layers).map(|layer| TransformerBlock::new(config, format!("blocks.{layer}.")));
            Ok(Transformer { symbols, width, blocks: blocks.collect::<Result<_>>()? })
        };
        let learned = |hidden: usize| -> Result<usize> { Ok(make(hidden)?.parameters(0)?.learned()) };
        let (one, two) = (learned(1)?, learned(2)?);
        make(1 + most.saturating_sub(one) / (two - one).max(1))
    }

    fn parameters(&self, seed: u64) -> Result<Parameters> {
        let mut builder = Builder::new(seed);
        builder.add("embedding.weight", &[self.symbols, self.width], Role::Learned, Initial::Normal(1.0));
        self.blocks.iter().for_each(|block| block.parameters(&mut builder));
        builder.add("norm.weight", &[self.width], Role::Learned, Initial::Constant(1.0));
        builder.affine("readout", &[self.symbols, self.width], true);
        builder.finish()
    }

    fn forward(&self, tape: &mut Tape, bound: &Bound, tokens: Var) -> Result<Var> {
        let mut x = tape.embedding(tokens, bound.get("embedding.weight")?, AXIS)?;
        for block in &self.blocks {
            x = block.forward(tape, bound, x)?;
        }
        let x = tape.norm_rms(x, Some(bound.get("norm.weight")?), AXIS, EPS)?;
        tape.linear(x, bound.get("readout.weight")?, Some(bound.get("readout.bias")?), AXIS)
    }
}
