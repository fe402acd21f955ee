//! How many answers are right.

use kuramoto::model::vote::fill;

use super::board::Board;

/// Right blank cells and right boards; givens do not count.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    pub blanks: usize,
    pub right: usize,
    pub boards: usize,
    pub solved: usize,
}

impl Tally {
    /// Counts one answer, a full grid.
    pub fn add(&mut self, board: &Board, answer: &[u32]) {
        let cells = || board.puzzle.iter().zip(&board.solution).zip(answer);
        let blanks = cells().filter(|((given, _), _)| **given == 0).count();
        let right = cells().filter(|((given, digit), answer)| **given == 0 && digit == answer).count();
        self.blanks += blanks;
        self.right += right;
        self.boards += 1;
        self.solved += usize::from(blanks == right);
    }

    /// Counts the answers of a batch: `logits` as a network returns them, `[boards, digits, rows, columns]`.
    pub fn add_logits(&mut self, boards: &[Board], logits: &[f64]) {
        let each = logits.len() / boards.len().max(1);
        for (board, logits) in boards.iter().zip(logits.chunks(each.max(1))) {
            self.add(board, &fill(logits, each / board.puzzle.len().max(1), &board.puzzle));
        }
    }

    /// The share of blank cells that are right, and that of boards of which each blank cell is.
    pub fn accuracies(&self) -> [f64; 2] {
        let share = |part: usize, of: usize| part as f64 / of.max(1) as f64;
        [share(self.right, self.blanks), share(self.solved, self.boards)]
    }
}
