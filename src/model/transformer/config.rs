//! Options of a transformer block.

use crate::error::{Error, ErrorKind, Result};

/// How a block normalises.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum BlockNorm {
    /// By the root of the mean square over the channels, with a weight.
    Rms {
        /// Added to the mean square.
        eps: f32,
    },
    /// By mean and variance over the channels, with a weight, and a bias where the block has biases.
    Layer {
        /// Added to the variance.
        eps: f32,
    },
}

/// Where a block normalises.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Placement {
    /// What a branch sees: states may grow along a stack.
    Before,
    /// What a branch leaves: states keep their size, however often the block is applied.
    After,
}

/// The nonlinearity of the perceptron.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mlp {
    /// `proj(gelu(fc(x)))`.
    Gelu,
    /// `proj(silu(a) b)` with both halves `a`, `b` of `fc(x)`, whose rows are twice the hidden channels.
    Swiglu,
    /// `proj(max(fc(x), 0)^2 / 2)`.
    ReluSquared,
}

/// How attention knows where tokens are.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Positions {
    /// It does not.
    None,
    /// Rotary positions of a sequence: pair `j` of a head's queries and keys turns by `position * base^(-2 j / dim)`.
    Rotary {
        /// The base of the frequencies.
        base: f64,
    },
    /// Cells of a board of `side` x `side` cells in square boxes, row by row: [`position::board`](crate::model::position::board)
    /// turns queries, keys and values, its inverse the result, as in geometric transform attention (arXiv 2310.10375). What a
    /// cell sees depends on where others are from it.
    Board {
        /// Cells of a row; a square number.
        side: usize,
    },
}

/// A gate per channel in front of each branch: `limit / (1 + exp(-raw))` with a learned `raw`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Gate {
    /// What the gate stays below.
    pub limit: f32,
    /// Where `raw` begins: the more negative, the closer the block is to the identity.
    pub start: f32,
}

/// Options of a transformer block.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct TransformerConfig {
    /// Channels `D`, a multiple of `heads`.
    pub width: usize,
    /// Heads of the attention.
    pub heads: usize,
    /// Channels between the two maps of the perceptron.
    pub hidden: usize,
    /// How it normalises.
    pub norm: BlockNorm,
    /// Where it normalises.
    pub placement: Placement,
    /// Whether a token sees only those up to itself.
    pub causal: bool,
    /// How attention knows where tokens are.
    pub positions: Positions,
    /// Whether queries and keys are divided by their root mean square, head by head; the number is added to the mean.
    pub head_norm: Option<f32>,
    /// The perceptron.
    pub mlp: Mlp,
    /// Gates of the branches.
    pub gate: Option<Gate>,
    /// Whether maps (and layer norms) have biases.
    pub bias: bool,
}

impl TransformerConfig {
    /// `width` channels in `heads` heads, four times as many hidden ones, root-mean-square norms before the branches,
    /// rotary positions of base 10000, the Gaussian unit; every token sees every other; no gates, no biases.
    pub fn new(width: usize, heads: usize) -> TransformerConfig {
        TransformerConfig {
            width,
            heads,
            hidden: 4 * width,
            norm: BlockNorm::Rms { eps: 1e-5 },
            placement: Placement::Before,
            causal: false,
            positions: Positions::Rotary { base: 10_000.0 },
            head_norm: None,
            mlp: Mlp::Gelu,
            gate: None,
            bias: false,
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        let refuse = |argument: &str, got: String, wanted: &str| {
            Err(Error::argument(ErrorKind::Param, "TransformerBlock", argument, got, wanted))
        };
        let TransformerConfig { width, heads, hidden, .. } = *self;
        if width == 0 || hidden == 0 {
            let got = format!("{width} channels, {hidden} hidden channels");
            return refuse("options", got, "at least one of each");
        }
        if heads == 0 || !width.is_multiple_of(heads) {
            return refuse("heads", heads.to_string(), &format!("a divisor of the {width} channels"));
        }
        if self.positions != Positions::None && !self.dim().is_multiple_of(2) {
            let wanted = "even with positions, which turn pairs of channels";
            return refuse("channels per head", self.dim().to_string(), wanted);
        }
        match self.positions {
            Positions::Rotary { base } if !(base.is_finite() && base > 0.0) => {
                return refuse("base", base.to_string(), "a positive number");
            }
            Positions::Board { side } if side < 4 || side.isqrt().pow(2) != side => {
                return refuse("side", side.to_string(), "the square of the side of a box, from 4");
            }
            _ => {}
        }
        let (BlockNorm::Rms { eps } | BlockNorm::Layer { eps }) = self.norm;
        for (argument, eps) in [("norm", Some(eps)), ("head_norm", self.head_norm)] {
            if let Some(eps) = eps.filter(|eps| !(eps.is_finite() && *eps >= f32::MIN_POSITIVE)) {
                return refuse(argument, eps.to_string(), "a positive normal number");
            }
        }
        match self.gate {
            Some(Gate { limit, start }) if !(limit.is_finite() && limit > 0.0 && start.is_finite()) => {
                refuse("gate", format!("{limit} from {start}"), "a positive limit and a finite start")
            }
            _ => Ok(()),
        }
    }

    /// Channels of a head.
    pub fn dim(&self) -> usize {
        self.width / self.heads
    }

    pub(super) fn norm_has_bias(&self) -> bool {
        self.bias && matches!(self.norm, BlockNorm::Layer { .. })
    }

    /// What a map consists of.
    pub(super) fn affine(&self) -> &'static [&'static str] {
        if self.bias { &["weight", "bias"] } else { &["weight"] }
    }
}
