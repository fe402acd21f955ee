//! Sudoku, solved by synchronisation: the Sudoku network of AKOrN (arXiv 2410.13821) is trained on boards made here.
//!
//! `cargo run --example sudoku -- train --preset tiny` takes seconds on a software driver; `train --help` lists the options.

#[allow(dead_code)] // Tests take puzzles that people write apart from their solutions.
mod board;
mod checkpoint;
mod data;
mod log;
mod network;
mod order;
mod session;
mod settings;
#[allow(dead_code)] // As in `board`.
mod solver;
mod tally;
mod train;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use kuramoto::model::vote::{Ballot, Statistic, VoteOptions};
use kuramoto::{Context, Tape};

use data::Split;
use tally::Tally;

/// Trains networks of oscillators to solve Sudoku
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true, arg_required_else_help = true)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Without a command: train the tiny network anew, and fail unless it solves 9 of 10 boards it has never seen
    #[arg(long)]
    quick: bool,
    /// Where --quick writes
    #[arg(long, default_value = "out/sudoku-quick")]
    out: PathBuf,
}

#[derive(Subcommand)]
enum Command {
    /// Train a network, or go on with one
    Train(Box<train::Args>),
}

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<(), Box<dyn Error>> {
    match args.command {
        Some(Command::Train(args)) => train::run(&args),
        None if args.quick => quick(args.out),
        None => Err("give a command, or --quick; --help lists both".into()),
    }
}

/// The share of held-out boards that the tiny network solves at least.
const ENOUGH: f64 = 0.9;

/// Trains the tiny network, then takes its weights from their file, where they are in f16, and holds a vote with them.
fn quick(out: PathBuf) -> Result<(), Box<dyn Error>> {
    let args = train::Args::quick(out.clone());
    let outcome = train::train(&args)?;
    enough("after training", outcome.boards)?;
    let (network, _, parameters) = checkpoint::load(&out)?;
    let boards = match &args.places.data {
        Some(folder) => data::boards_in(folder, network.side(), Split::Test, args.test_boards, outcome.settings.seed)?,
        None => data::boards(network.side(), Split::Test, args.test_boards, outcome.settings.seed)?,
    };
    let mut tape = Tape::new(&Context::new()?);
    let placed = parameters.place(&mut tape)?;
    let puzzles: Vec<u32> = boards.iter().flat_map(|board| &board.puzzle).copied().collect();
    let ballot = Ballot::Energy(Statistic::Last);
    let options = VoteOptions { draws: 4, batch: 64, steps: outcome.settings.t, ballot, seed: outcome.settings.seed };
    let mut tally = Tally::default();
    for (board, elected) in boards.iter().zip(network.vote(&mut tape, &placed, &puzzles, &options)?) {
        tally.add(board, &elected.answer);
    }
    enough("by the vote of 4 draws with the weights of the file", tally.accuracies()[1])
}

fn enough(when: &str, solved: f64) -> Result<(), Box<dyn Error>> {
    println!("{when}, {:.1} % of held-out boards are solved", 100.0 * solved);
    match solved >= ENOUGH {
        true => Ok(()),
        false => Err(format!("{when}, fewer than {:.0} % of held-out boards are solved", 100.0 * ENOUGH).into()),
    }
}
