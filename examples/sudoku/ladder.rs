//! Puzzles with fewer givens than boards are made with here: the rungs of a collection of 17-clue puzzles, which
//! `cargo xtask data sudoku17` fetches into the user's cache. It is not part of this repository, nor may it be.

use std::path::PathBuf;

use super::board::Board;
use super::cache;
use super::data;

/// Givens of the rungs: the puzzles of the collection, then the same with more and more digits of their solutions.
pub const GIVENS: std::ops::RangeInclusive<usize> = 17..=21;

/// How to get them.
pub const COMMAND: &str = "cargo xtask data sudoku17";

/// The folder of the rungs, in the user's cache.
///
/// # Errors
/// If the system names no place for caches.
pub fn folder() -> Result<PathBuf, String> {
    cache::folder("sudoku17")
}

/// The file of a rung.
///
/// # Errors
/// As [`folder`].
pub fn file(givens: usize) -> Result<PathBuf, String> {
    Ok(folder()?.join(format!("{givens}.txt")))
}

/// The first `count` boards of a rung, fewer if it has fewer; none if it was not fetched.
///
/// # Errors
/// As [`folder`]; for a file that cannot be read or is damaged.
pub fn rung(givens: usize, count: usize) -> Result<Vec<Board>, Box<dyn std::error::Error>> {
    let mut boards = data::read(&file(givens)?)?;
    boards.truncate(count);
    match boards.iter().find(|board| board.givens() != givens) {
        Some(board) => Err(format!("the rung of {givens} givens has a board of {}", board.givens()).into()),
        None => Ok(boards),
    }
}
