//! The parts of `examples/sudoku` that commands here need as well. An example is a program, so nothing can depend on it.

#![allow(dead_code)] // The example uses what the commands do not.

use crate::cache;

#[path = "../../examples/sudoku/board.rs"]
pub mod board;
#[path = "../../examples/sudoku/checkpoint.rs"]
pub mod checkpoint;
#[path = "../../examples/sudoku/data.rs"]
pub mod data;
#[path = "../../examples/sudoku/draws.rs"]
pub mod draws;
#[path = "../../examples/sudoku/frames.rs"]
pub mod frames;
#[path = "../../examples/sudoku/ladder.rs"]
pub mod ladder;
#[path = "../../examples/sudoku/network.rs"]
pub mod network;
#[path = "../../examples/sudoku/solver.rs"]
pub mod solver;
#[path = "../../examples/sudoku/solving.rs"]
pub mod solving;
#[path = "../../examples/sudoku/tally.rs"]
pub mod tally;
