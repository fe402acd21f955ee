//! A collection of 17-clue puzzles, and rungs with more givens made of it.

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;
use serde::Deserialize;

use crate::sudoku::board::{self, Board};

/// Boards of each rung.
pub const BOARDS: usize = 2000;

/// Givens of the collection's puzzles.
const CLUES: usize = 17;

/// The collection's file, as far as it matters here.
#[derive(Deserialize)]
struct Collection {
    banks: BTreeMap<String, Vec<Entry>>,
}

/// A puzzle: which cells of a solution are given.
#[derive(Deserialize)]
struct Entry {
    mask: String,
    solution: String,
}

/// The puzzles of 17 givens.
///
/// # Errors
/// For another format, and for a puzzle that is none, with its number.
pub fn collection(bytes: &[u8]) -> Result<Vec<Board>, String> {
    let mut all: Collection = serde_json::from_slice(bytes).map_err(|why| format!("the collection: {why}"))?;
    let entries = all.banks.remove(&CLUES.to_string()).ok_or("the collection has no puzzles of 17 givens")?;
    let one = |(at, entry): (usize, &Entry)| entry.board().map_err(|why| format!("puzzle {}: {why}", at + 1));
    entries.iter().enumerate().map(one).collect()
}

impl Entry {
    fn board(&self) -> Result<Board, String> {
        let solution = board::parse(&self.solution)?;
        if !board::is_solved(&solution) {
            return Err("its solution is none".into());
        }
        if self.mask.len() != solution.len() || self.mask.bytes().any(|bit| bit != b'0' && bit != b'1') {
            return Err(format!("its mask is no row of {} zeros and ones", solution.len()));
        }
        let puzzle: Vec<u32> =
            self.mask.bytes().zip(&solution).map(|(bit, digit)| u32::from(bit - b'0') * digit).collect();
        let board = Board { puzzle, solution };
        match board.givens() {
            CLUES => Ok(board),
            other => Err(format!("it has {other} givens, not {CLUES}")),
        }
    }
}

/// [`BOARDS`] boards of `givens` givens: puzzles spread evenly over the collection, with digits of their solutions added
/// in an order of each puzzle's own, so that a board of a rung has all givens of the same board of the rung before. Each
/// has one solution: that was searched for all that are chosen, and the collection is known by its hash.
///
/// # Errors
/// For a collection of fewer puzzles.
pub fn rung(collection: &[Board], givens: usize) -> Result<Vec<Board>, String> {
    if collection.len() < BOARDS {
        return Err(format!("the collection has {} puzzles, fewer than {BOARDS}", collection.len()));
    }
    let one = |number: usize| {
        let at = number * collection.len() / BOARDS;
        with(&collection[at], givens, at as u64)
    };
    Ok((0..BOARDS).map(one).collect())
}

/// A puzzle with digits of its solution added until there are `givens`.
fn with(board: &Board, givens: usize, stream: u64) -> Board {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    rng.set_stream(stream);
    let mut blanks: Vec<usize> = (0..board.puzzle.len()).filter(|cell| board.puzzle[*cell] == 0).collect();
    blanks.shuffle(&mut rng);
    let mut more = board.clone();
    for cell in blanks.into_iter().take(givens.saturating_sub(board.givens())) {
        more.puzzle[cell] = board.solution[cell];
    }
    more
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A board of 17 givens, made here: the digits of a cyclic grid.
    fn sample() -> (String, String) {
        let digit = |cell: u32| {
            let (row, column) = (cell / 9, cell % 9);
            char::from_digit((row * 3 + row / 3 + column) % 9 + 1, 10).unwrap()
        };
        let solution: String = (0..81).map(digit).collect();
        let mask: String = (0..81).map(|cell| if cell % 5 == 0 { '1' } else { '0' }).collect();
        (mask, solution)
    }

    fn file(mask: &str, solution: &str) -> Vec<u8> {
        let entry = format!("{{\"mask\":\"{mask}\",\"solution\":\"{solution}\",\"more\":1}}");
        format!("{{\"meta\":{{}},\"banks\":{{\"17\":[{entry}],\"18\":[]}}}}").into_bytes()
    }

    #[test]
    fn masks_and_solutions_become_boards() {
        let (mask, solution) = sample();
        let boards = collection(&file(&mask, &solution)).unwrap();
        assert_eq!((boards.len(), boards[0].givens()), (1, 17));
        assert_eq!((boards[0].puzzle[0], boards[0].puzzle[1], boards[0].puzzle[5]), (1, 0, 6));
        assert_eq!(board::line(&boards[0].solution), solution);
    }

    #[test]
    fn damage_is_named() {
        let (mask, solution) = sample();
        let why = |mask: &str, solution: &str| collection(&file(mask, solution)).unwrap_err();
        assert!(why(&mask, &solution.replacen('1', "2", 1)).contains("puzzle 1: its solution is none"));
        assert!(why(&mask.replacen('0', "1", 1), &solution).contains("it has 18 givens"));
        assert!(why(&mask[1..], &solution).contains("mask"));
        assert!(why(&mask.replacen('0', "x", 1), &solution).contains("mask"));
        assert!(why(&mask, &solution[1..]).contains("81 cells"));
        assert!(collection(b"{}").unwrap_err().contains("banks"));
        assert!(collection(b"{\"banks\":{}}").unwrap_err().contains("no puzzles of 17"));
        let few = collection(&file(&mask, &solution)).unwrap();
        assert!(rung(&few, 17).unwrap_err().contains("1 puzzles, fewer than 2000"));
    }

    #[test]
    fn rungs_are_nested() {
        let (mask, solution) = sample();
        let board = &collection(&file(&mask, &solution)).unwrap()[0];
        let mut last = with(board, 17, 3);
        assert_eq!(last, *board);
        for givens in 18..=30 {
            let more = with(board, givens, 3);
            assert_eq!((more.givens(), &more.solution), (givens, &board.solution));
            assert!(last.puzzle.iter().zip(&more.puzzle).all(|(a, b)| *a == 0 || a == b));
            last = more;
        }
        assert_ne!(with(board, 20, 3).puzzle, with(board, 20, 4).puzzle);
    }
}
