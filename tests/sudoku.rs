//! The parts of `examples/sudoku` that need no device: boards, their making, the order of training, the log, checkpoints.

#![allow(dead_code)] // The example uses what these tests do not.

#[path = "../examples/sudoku/board.rs"]
mod board;
#[path = "../examples/sudoku/data.rs"]
mod data;
#[path = "../examples/sudoku/order.rs"]
mod order;
#[path = "../examples/sudoku/solver.rs"]
mod solver;

use std::collections::HashSet;
use std::path::PathBuf;

use board::Board;
use data::{Split, boards_in};
use order::Order;
use solver::Grid;

/// A folder of this test's own, empty.
fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("kuramoto-sudoku-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Solutions by plain trial and error, cell by cell, knowing the rules and nothing else.
fn trial(cells: &mut Vec<u32>, side: usize, from: usize, limit: usize) -> usize {
    let Some(cell) = (from..cells.len()).find(|cell| cells[*cell] == 0) else { return 1 };
    let boxed = if side == 4 { 2 } else { 3 };
    let mut found = 0;
    for digit in 1..=side as u32 {
        let meets = |other: usize| {
            let (row, column) = (cell / side, cell % side);
            let (r, c) = (other / side, other % side);
            cells[other] == digit
                && (r == row || c == column || (r / boxed == row / boxed && c / boxed == column / boxed))
        };
        if !(0..cells.len()).any(meets) {
            cells[cell] = digit;
            found += trial(cells, side, cell + 1, limit - found);
            cells[cell] = 0;
            if found >= limit {
                break;
            }
        }
    }
    found
}

#[test]
fn there_are_288_small_grids_of_which_8_kinds_train_and_4_test() {
    let grids = Grid::new(4).solutions(usize::MAX);
    assert_eq!(grids.len(), 288);
    assert!(grids.iter().all(|grid| board::is_solved(grid)));
    let kinds: HashSet<Vec<u32>> = grids.iter().map(|grid| board::canonical(grid)).collect();
    assert_eq!(kinds.len(), 12);
    assert_eq!(kinds.iter().filter(|kind| data::is_held_out(kind)).count(), 4);
    assert!(grids.iter().all(|grid| data::is_held_out(grid) == data::is_held_out(&board::canonical(grid))));
}
