//! The second part of the demo: puzzles that the shipped network solves, and one that it owes to the vote.

use std::io::IsTerminal;
use std::path::Path;
use std::time::Instant;

use kuramoto::model::vote::{Ballot, Statistic};
use kuramoto::{Context, Tape};

use crate::failure::{Failure, Result};
use crate::progress::Progress;
use crate::sudoku::board::{self, Board};
use crate::sudoku::data::{self, Split};
use crate::sudoku::network::Options;
use crate::sudoku::solving::{Effort, Solver, Voted};
use crate::sudoku::{checkpoint, frames};
use crate::{root, say};

/// Steps, draws and ballot of every puzzle.
const EFFORT: Effort = Effort { steps: 32, draws: 8, ballot: Ballot::Energy(Statistic::Last), seed: 1 };

/// Puzzles that are solved: like those of training, and harder.
const PUZZLES: [(Split, usize); 2] = [(Split::Test, 2), (Split::Hard, 2)];

/// Boards that are looked through for one that the vote saves, and how many at once.
const SEARCHED: usize = 400;
const AT_ONCE: usize = 8;

/// Runs this part.
pub(super) fn run(context: Option<&Context>, weights: Option<&Path>) -> Result {
    let path = weights.map_or_else(|| root::root().join("examples/weights/sudoku.safetensors"), Path::to_owned);
    let cannot = |why: &dyn std::fmt::Display| Failure::check(format!("Sudoku: {why}"));
    let loaded = checkpoint::load(&path).map_err(|why| match weights {
        Some(_) => Failure::usage(why),
        None => cannot(&why),
    });
    let (network, options, parameters) = loaded?;
    let mut tape = context.map_or_else(Tape::reference, Tape::new);
    let placed = parameters.place(&mut tape)?;
    let mut solver = Solver { network, tape, placed };
    let boards = |split: Split, count: usize| {
        data::boards_in(&root::target().join("sudoku"), options.side, split, count, 1).map_err(|why| cannot(&why))
    };
    say!("\nSudoku: {} oscillators, coupled by attention, solve boards they have never seen.", oscillators(&options));
    say!(
        "{} steps from {} random starts each; the start that ends with the least energy answers.",
        EFFORT.steps,
        EFFORT.draws
    );
    let (mut progress, mut sets) = (Progress::new("boards", 2), vec![]);
    for (at, (split, count)) in PUZZLES.into_iter().enumerate() {
        progress.at(at, 2, "");
        sets.push(boards(split, count)?);
    }
    drop(progress);
    solve(&mut solver, &sets.concat())?;
    if context.is_none() {
        say!("\nThe search for a board that the vote saves takes minutes without an adapter and is left out.");
        return Ok(());
    }
    saved(&mut solver, &boards(Split::Hard, SEARCHED)?)
}

fn oscillators(options: &Options) -> usize {
    options.side * options.side * options.channels / options.n.max(1)
}

/// Solves the boards; shows how the first one forms, of the others the answers.
fn solve(solver: &mut Solver, boards: &[Board]) -> Result {
    let started = Instant::now();
    let puzzles: Vec<Vec<u32>> = boards.iter().map(|board| board.puzzle.clone()).collect();
    let mut progress = Progress::new("Sudoku", puzzles.len());
    let (mut solved, mut lines) = (0, vec![]);
    for (at, puzzle) in puzzles.iter().enumerate() {
        progress.at(at, puzzles.len(), "puzzles");
        let voted = solver.solve(std::slice::from_ref(puzzle), at * EFFORT.draws, &EFFORT)?.remove(0);
        solved += usize::from(voted.solved());
        if at == 0 {
            lines.push(story(solver, &voted, voted.elected)?);
        }
        let verdict = if voted.solved() { "solved" } else { "wrong" };
        lines.push(format!("{} givens, {verdict}: {}", boards[at].givens(), board::line(voted.answer())));
    }
    drop(progress);
    say!("");
    lines.iter().for_each(|line| say!("{line}"));
    say!("{solved} of {} puzzles solved in {:.1} s.", puzzles.len(), started.elapsed().as_secs_f64());
    Ok(())
}

/// Finds a board that one draw gets wrong and the vote right, and shows both.
fn saved(solver: &mut Solver, boards: &[Board]) -> Result {
    let mut progress = Progress::new("vote", boards.len());
    let found = solver.saved_by_vote(boards, AT_ONCE, &EFFORT, |done| progress.at(done, boards.len(), "boards"))?;
    drop(progress);
    let Some((at, voted)) = found else {
        return Err(Failure::check(format!("Sudoku: the vote saves none of {} boards; is it held?", boards.len())));
    };
    say!("\nOf the harder boards, number {} is the first that a single draw gets wrong and the vote right:", at + 1);
    say!("{}\n", board::line(&voted.puzzle));
    let (puzzle, first) = (&voted.puzzle, &voted.draws[0].0);
    say!("the first draw alone: {}", frames::verdict(first));
    let colour = std::io::stdout().is_terminal();
    frames::board(first, puzzle, first, colour).iter().for_each(|line| say!("{line}"));
    say!("\nthe draw that the vote elects:");
    say!("{}", story(solver, &voted, at * EFFORT.draws + voted.elected)?);
    Ok(())
}

/// How the elected draw came to its answer; it starts at sample `sample`.
fn story(solver: &mut Solver, voted: &Voted, sample: usize) -> Result<String> {
    let trace = solver.trace(&voted.puzzle, sample, &EFFORT)?;
    Ok(frames::story(voted, &trace, EFFORT.ballot, std::io::stdout().is_terminal()))
}
