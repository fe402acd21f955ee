//! The puzzle model: a board's cells are tokens that all see each other.

use super::boards::Boards;
use super::core::{AttractorConfig, Core, Refine, Refined};
use crate::error::Result;
use crate::model::parameters::{Bound, Builder, Parameters};
use crate::model::transformer::Positions;
use crate::tape::{Tape, Var};

/// Options of the puzzle model.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct AttractorPuzzleConfig {
    /// Backbone and head.
    pub attractor: AttractorConfig,
    /// Cells of a board.
    pub cells: usize,
    /// Symbols that a cell may hold, from 1; 0 is a blank.
    pub symbols: usize,
}

impl AttractorPuzzleConfig {
    /// Boards of `cells` cells with so many symbols. Attention knows cells by what they embed.
    pub fn new(cells: usize, symbols: usize, width: usize, heads: usize) -> AttractorPuzzleConfig {
        let attractor = AttractorConfig { positions: Positions::None, ..AttractorConfig::new(width, heads) };
        AttractorPuzzleConfig { attractor, cells, symbols }
    }
}

/// A network that solves boards at an equilibrium: cells and their places are embedded (with [`Positions::Board`] what cells
/// hold alone, for attention knows where they are), the backbone proposes, the head
/// refines, and each cell's state is read out by a map to the symbols. The language model's fixed point without a mask; what
/// the paper calls its reasoning model is [`AttractorReasoner`](super::AttractorReasoner).
#[derive(Clone, Debug)]
pub struct AttractorPuzzle {
    config: AttractorPuzzleConfig,
    boards: Boards,
    core: Core,
}

/// What the model computed.
#[derive(Clone, Debug)]
pub struct PuzzleAnswer {
    /// `[B, cells, symbols]`; symbol `s` is at `s - 1`.
    pub logits: Var,
    /// The proposal, the state that is read out, and how it was reached.
    pub refined: Refined,
}

impl AttractorPuzzle {
    /// The model of `config`.
    ///
    /// # Errors
    /// `Param` without cells, symbols or blocks in the head; as
    /// [`TransformerBlock::new`](crate::model::transformer::TransformerBlock::new).
    pub fn new(config: AttractorPuzzleConfig) -> Result<AttractorPuzzle> {
        let AttractorPuzzleConfig { attractor, cells, symbols } = config;
        let boards = Boards::new("AttractorPuzzle", cells, symbols, attractor.width, attractor.positions)?;
        Ok(AttractorPuzzle { config, boards, core: Core::new(&attractor, "")? })
    }

    /// The options.
    pub fn config(&self) -> &AttractorPuzzleConfig {
        &self.config
    }

    /// Initial parameters, drawn from `seed`: embeddings normal, the rest as in
    /// [`TransformerBlock::parameters`](crate::model::transformer::TransformerBlock::parameters).
    ///
    /// # Errors
    /// None for the options that [`AttractorPuzzle::new`] accepts.
    pub fn parameters(&self, seed: u64) -> Result<Parameters> {
        let mut builder = Builder::new(seed);
        self.boards.parameters(&mut builder);
        self.core.parameters(&mut builder);
        builder.affine("out", &[self.boards.symbols, self.boards.width], true);
        builder.finish()
    }

    /// Answers for `boards`: `B * cells` symbols, 0 for a blank.
    ///
    /// # Errors
    /// `Shape` if these are no whole boards, `Index` for a symbol past the last; as
    /// [`fixed_point`](crate::solve::fixed_point).
    pub fn forward(&self, tape: &mut Tape, bound: &Bound, boards: &[u32], refine: &Refine) -> Result<PuzzleAnswer> {
        let x = self.boards.embed(tape, bound, boards)?;
        let refined = self.core.refine(tape, bound, x, refine)?;
        let normed = self.core.normed(tape, bound, refined.state)?;
        let logits = tape.linear(normed, bound.get("out.weight")?, Some(bound.get("out.bias")?), 2)?;
        Ok(PuzzleAnswer { logits, refined })
    }

    /// Mean cross entropy over all cells, givens included; `solutions` are full boards.
    ///
    /// # Errors
    /// `Shape`, `Index` for a blank or a symbol past the last.
    pub fn loss(&self, tape: &mut Tape, answer: &PuzzleAnswer, solutions: &[u32]) -> Result<Var> {
        self.boards.loss(tape, answer.logits, solutions)
    }

    /// [`jacobian_penalty`](crate::solve::jacobian_penalty) of the map `f` at the state that `answer` reads out, `[1]`: the mean
    /// square of what a step of size `step` in a random direction is stretched by, to be added to the loss. The state itself
    /// counts as given; the gradient goes to the parameters of head and backbone.
    ///
    /// # Errors
    /// As [`jacobian_penalty`](crate::solve::jacobian_penalty); `Foreign` for what another tape recorded.
    pub fn jacobian_penalty(
        &self,
        tape: &mut Tape,
        bound: &Bound,
        answer: &PuzzleAnswer,
        step: f32,
        seed: u64,
    ) -> Result<Var> {
        self.core.penalty(tape, bound, &answer.refined, step, seed)
    }
}
