//! Sudoku, solved by synchronisation: the Sudoku network of AKOrN (arXiv 2410.13821) is trained on boards made here,
//! thinks longer when it is tested, and picks its answer by energy.
//!
//! `cargo run --example sudoku -- train --preset tiny` takes seconds on a software driver; `train --help` lists the options.

#[macro_use]
#[path = "../common/output.rs"]
mod output;

mod board;
#[path = "../common/cache.rs"]
mod cache;
mod canvas;
mod checkpoint;
mod curve;
mod data;
mod draws;
mod eval;
mod frames;
mod judging;
mod ladder;
mod log;
mod machine;
mod network;
mod order;
mod plots;
mod profile;
mod progress;
mod session;
mod settings;
mod solve;
mod solver;
mod solving;
mod statistics;
mod step;
mod tally;
mod train;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use solve::Failure;

/// Networks of oscillators that solve Sudoku
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true, arg_required_else_help = true)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Without a command: train the tiny network anew, fail unless it solves 9 of 10 boards it has never seen, and run
    /// every other command on it
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
    /// Measure accuracy on boards that training never saw, by steps and by votes
    Eval(Box<eval::Args>),
    /// Redraw the published figures: accuracy over steps, error over compute, energies of right and wrong answers
    Curve(Box<curve::Args>),
    /// Solve puzzles, and show how
    Solve(Box<solve::Args>),
    /// Time the kernels of one training step
    Profile(Box<profile::Args>),
}

fn main() -> ExitCode {
    let (code, why) = match run(Args::parse()) {
        Ok(true) => return ExitCode::SUCCESS,
        // What is wrong has been said.
        Ok(false) => return ExitCode::FAILURE,
        Err(Failure::Input(why)) => (2, why),
        Err(Failure::Other(why)) => (1, why.to_string()),
    };
    eprintln!("error: {why}");
    ExitCode::from(code)
}

/// Whether all went well; what did not has been said then.
fn run(args: Args) -> Result<bool, Failure> {
    match args.command {
        Some(Command::Train(args)) => train::run(&args)?,
        Some(Command::Eval(args)) => eval::run(&args)?,
        Some(Command::Curve(args)) => curve::run(&args)?,
        Some(Command::Profile(args)) => profile::run(&args)?,
        Some(Command::Solve(args)) => return solve::run(&args),
        None if args.quick => quick(args.out)?,
        None => return Err(Failure::Input("give a command, or --quick; --help lists both".into())),
    }
    Ok(true)
}

/// The share of held-out boards that the tiny network solves at least.
const ENOUGH: f64 = 0.9;

fn quick(out: PathBuf) -> Result<(), Failure> {
    let outcome = train::train(&train::Args::quick(out.clone()))?;
    if outcome.boards < ENOUGH {
        let (digits, boards) = (100.0 * outcome.digits, 100.0 * outcome.boards);
        let why = format!("{digits:.1} % of held-out cells are right and {boards:.1} % of boards, fewer than 90 %");
        return Err(Failure::Other(why.into()));
    }
    // Every other command on what was trained.
    for line in [
        "eval --t-eval 4,8 --votes 1,4 --boards 40 --json {out}/eval.json",
        "curve --t-eval 2,4,8 --votes 1,4 --boards 40 --out {out}/curve",
        "solve --sample id --steps 8",
        "profile --preset tiny --out {out}/profile",
    ] {
        let weights = if line.starts_with("profile") { "" } else { " --weights {out}" };
        let line = format!("sudoku {line}{weights} --data {{out}}/boards");
        let words = line.split(' ').map(|word| word.replace("{out}", &out.display().to_string()));
        let words: Vec<String> = words.collect();
        say!("\n$ {}", words.join(" "));
        // Whether the sample is solved is a matter of training, which has been judged.
        run(Args::try_parse_from(words)?)?;
    }
    Ok(())
}
