//! What puzzle models share: boards of cells that hold symbols, embedded and scored.

use crate::error::{Error, ErrorKind, Result};
use crate::kernel::DType;
use crate::model::parameters::{Bound, Builder, Initial, Role};
use crate::model::transformer::Positions;
use crate::tape::{Tape, Var};

/// Boards of `cells` cells, each with one of `symbols` symbols from 1, or 0 for a blank.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Boards {
    /// The model that errors name.
    pub who: &'static str,
    pub cells: usize,
    pub symbols: usize,
    pub width: usize,
    /// Whether each cell has an embedding of its own.
    pub embeds_places: bool,
}

impl Boards {
    /// # Errors
    /// `Param` without cells or symbols.
    pub fn new(who: &'static str, cells: usize, symbols: usize, width: usize, positions: Positions) -> Result<Boards> {
        if cells == 0 || symbols == 0 {
            let got = format!("{cells} cells, {symbols} symbols");
            return Err(Error::argument(ErrorKind::Param, who, "options", got, "at least one of each"));
        }
        let embeds_places = !matches!(positions, Positions::Board { .. });
        Ok(Boards { who, cells, symbols, width, embeds_places })
    }

    /// The tables of symbols and places, normal.
    pub fn parameters(&self, builder: &mut Builder) {
        let normal = || Initial::Normal(1.0);
        builder.add("embedding.weight", &[self.symbols + 1, self.width], Role::Learned, normal());
        if self.embeds_places {
            builder.add("positions.weight", &[self.cells, self.width], Role::Learned, normal());
        }
    }

    /// Rows of a table for all cells of `batch` boards, `[B, cells, width]`.
    pub fn rows(&self, tape: &mut Tape, bound: &Bound, indices: &[u32], batch: usize, table: &str) -> Result<Var> {
        let indices = tape.upload(indices, &[batch, self.cells], DType::U32)?;
        let indices = tape.constant(indices);
        tape.embedding(indices, bound.get(table)?, 2)
    }

    /// `boards` embedded, `[B, cells, width]`.
    pub fn embed(&self, tape: &mut Tape, bound: &Bound, boards: &[u32]) -> Result<Var> {
        let batch = self.count("boards", boards, 0)?;
        let x = self.rows(tape, bound, boards, batch, "embedding.weight")?;
        if !self.embeds_places {
            return Ok(x);
        }
        let places: Vec<u32> = (0..batch).flat_map(|_| 0..self.cells as u32).collect();
        let places = self.rows(tape, bound, &places, batch, "positions.weight")?;
        tape.add(x, places)
    }

    /// Mean cross entropy of `logits` `[B, cells, symbols]` over all cells of full boards.
    pub fn loss(&self, tape: &mut Tape, logits: Var, solutions: &[u32]) -> Result<Var> {
        let batch = self.count("solutions", solutions, 1)?;
        let labels: Vec<u32> = solutions.iter().map(|symbol| symbol - 1).collect();
        let labels = tape.upload(&labels, &[batch, self.cells], DType::U32)?;
        let labels = tape.constant(labels);
        tape.cross_entropy(logits, labels, 2)
    }

    /// How many boards of symbols from `least` there are.
    pub fn count(&self, argument: &str, cells: &[u32], least: u32) -> Result<usize> {
        let per_board = self.cells;
        if cells.is_empty() || !cells.len().is_multiple_of(per_board) {
            let (got, wanted) = (format!("{} cells", cells.len()), format!("boards of {per_board} cells"));
            return Err(Error::argument(ErrorKind::Shape, self.who, argument, got, wanted));
        }
        let last = self.symbols as u32;
        if let Some(at) = cells.iter().position(|symbol| *symbol < least || *symbol > last) {
            let (got, wanted) = (format!("{} at cell {at}", cells[at]), format!("from {least} to {last}"));
            return Err(Error::argument(ErrorKind::Index, self.who, argument, got, wanted));
        }
        Ok(cells.len() / per_board)
    }
}
