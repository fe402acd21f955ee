//! The parts of `examples/sudoku` that judge, solve, show and draw: on the reference, or without any network.

#![allow(dead_code)] // The example uses what these tests do not.

#[macro_use]
#[path = "../examples/common/output.rs"]
mod output;

#[path = "../examples/sudoku/board.rs"]
mod board;
#[path = "../examples/common/cache.rs"]
mod cache;
#[path = "../examples/sudoku/canvas.rs"]
mod canvas;
#[path = "../examples/sudoku/checkpoint.rs"]
mod checkpoint;
#[path = "../examples/sudoku/curve.rs"]
mod curve;
#[path = "../examples/sudoku/data.rs"]
mod data;
#[path = "../examples/sudoku/draws.rs"]
mod draws;
#[path = "../examples/sudoku/eval.rs"]
mod eval;
#[path = "../examples/sudoku/frames.rs"]
mod frames;
#[path = "../examples/sudoku/judging.rs"]
mod judging;
#[path = "../examples/sudoku/ladder.rs"]
mod ladder;
#[path = "../examples/sudoku/machine.rs"]
mod machine;
#[path = "../examples/sudoku/network.rs"]
mod network;
#[path = "../examples/sudoku/plots.rs"]
mod plots;
#[path = "../examples/sudoku/profile.rs"]
mod profile;
#[path = "../examples/sudoku/progress.rs"]
mod progress;
#[path = "../examples/sudoku/settings.rs"]
mod settings;
#[path = "../examples/sudoku/solve.rs"]
mod solve;
#[path = "../examples/sudoku/solver.rs"]
mod solver;
#[path = "../examples/sudoku/solving.rs"]
mod solving;
#[path = "../examples/sudoku/statistics.rs"]
mod statistics;
#[path = "../examples/sudoku/step.rs"]
mod step;
#[path = "../examples/sudoku/tally.rs"]
mod tally;
