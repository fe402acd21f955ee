//! The puzzle model: a board's cells are tokens that all see each other.

use super::core::{AttractorConfig, Core, Refine, Refined};
use crate::error::{Error, ErrorKind, Result};
use crate::kernel::DType;
use crate::model::parameters::{Bound, Builder, Initial, Parameters, Role};
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
/// refines, and each cell's state is read out by a map to the symbols. The language model's fixed point without a mask; the
/// published reasoning model has no backbone, two states, and starts from an embedding of its own.
#[derive(Clone, Debug)]
pub struct AttractorPuzzle {
    config: AttractorPuzzleConfig,
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
        if config.cells == 0 || config.symbols == 0 {
            let got = format!("{} cells, {} symbols", config.cells, config.symbols);
            return Err(Error::argument(ErrorKind::Param, "AttractorPuzzle", "options", got, "at least one of each"));
        }
        Ok(AttractorPuzzle { config, core: Core::new(&config.attractor, "")? })
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
        let AttractorPuzzleConfig { attractor, cells, symbols } = self.config;
        let mut builder = Builder::new(seed);
        let normal = || Initial::Normal(1.0);
        builder.add("embedding.weight", &[symbols + 1, attractor.width], Role::Learned, normal());
        if self.embeds_places() {
            builder.add("positions.weight", &[cells, attractor.width], Role::Learned, normal());
        }
        self.core.parameters(&mut builder);
        builder.affine("out", &[symbols, attractor.width], true);
        builder.finish()
    }

    /// Answers for `boards`: `B * cells` symbols, 0 for a blank.
    ///
    /// # Errors
    /// `Shape` if these are no whole boards, `Index` for a symbol past the last; as
    /// [`fixed_point`](crate::solve::fixed_point).
    pub fn forward(&self, tape: &mut Tape, bound: &Bound, boards: &[u32], refine: &Refine) -> Result<PuzzleAnswer> {
        let batch = self.count("boards", boards, 0)?;
        let cells = self.config.cells;
        let embed = |tape: &mut Tape, indices: &[u32], name: &str| {
            let indices = tape.upload(indices, &[batch, cells], DType::U32)?;
            let indices = tape.constant(indices);
            tape.embedding(indices, bound.get(name)?, 2)
        };
        let mut x = embed(tape, boards, "embedding.weight")?;
        if self.embeds_places() {
            let places: Vec<u32> = (0..batch).flat_map(|_| 0..cells as u32).collect();
            let places = embed(tape, &places, "positions.weight")?;
            x = tape.add(x, places)?;
        }
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
        let batch = self.count("solutions", solutions, 1)?;
        let labels: Vec<u32> = solutions.iter().map(|symbol| symbol - 1).collect();
        let labels = tape.upload(&labels, &[batch, self.config.cells], DType::U32)?;
        let labels = tape.constant(labels);
        tape.cross_entropy(answer.logits, labels, 2)
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

    /// Whether each cell has an embedding of its own.
    fn embeds_places(&self) -> bool {
        !matches!(self.config.attractor.positions, Positions::Board { .. })
    }

    /// How many boards of symbols from `least` there are.
    fn count(&self, argument: &str, cells: &[u32], least: u32) -> Result<usize> {
        let per_board = self.config.cells;
        if cells.is_empty() || !cells.len().is_multiple_of(per_board) {
            let (got, wanted) = (format!("{} cells", cells.len()), format!("boards of {per_board} cells"));
            return Err(Error::argument(ErrorKind::Shape, "AttractorPuzzle", argument, got, wanted));
        }
        let last = self.config.symbols as u32;
        if let Some(at) = cells.iter().position(|symbol| *symbol < least || *symbol > last) {
            let (got, wanted) = (format!("{} at cell {at}", cells[at]), format!("from {least} to {last}"));
            return Err(Error::argument(ErrorKind::Index, "AttractorPuzzle", argument, got, wanted));
        }
        Ok(cells.len() / per_board)
    }
}
