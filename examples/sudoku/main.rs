//! Sudoku, solved by synchronisation: the Sudoku network of AKOrN (arXiv 2410.13821) is trained on boards made here.
//!
//! `cargo run --example sudoku -- train --preset tiny` takes seconds on a software driver; `train --help` lists the options.

mod board;
mod checkpoint;
mod data;
mod log;
mod network;
mod order;
mod session;
mod settings;
mod solver;
mod tally;
mod train;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

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

fn quick(out: PathBuf) -> Result<(), Box<dyn Error>> {
    let outcome = train::train(&train::Args::quick(out))?;
    match outcome.boards >= ENOUGH {
        true => Ok(()),
        false => Err(format!("{:.1} % of held-out boards are solved, fewer than 90 %", 100.0 * outcome.boards).into()),
    }
}
