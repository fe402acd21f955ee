//! Networks of Kuramoto oscillators from a file, a generator or a data set: simulated, swept, designed.
//!
//! `cargo run --example network -- run` takes a second on a software driver; every command lists its options with `--help`.

#[macro_use]
#[path = "../common/output.rs"]
mod output;

mod arguments;
#[path = "../common/cache.rs"]
mod cache;
#[path = "../sudoku/canvas.rs"]
mod canvas;
mod design;
mod files;
mod graph;
mod load;
mod machine;
mod make;
mod plots;
mod progress;
mod quick;
mod run;
mod sets;
mod simulate;
mod state;
mod sweep;
mod values;

use std::error::Error;
use std::process::ExitCode;

use arguments::{Arguments, Command};
use clap::Parser;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result: Result<(), Box<dyn Error>> = match &arguments.command {
        Some(Command::Run(args)) => run::run(args),
        Some(Command::Sweep(args)) => sweep::run(args),
        Some(Command::Design(args)) => design::run(args),
        None => quick::run(&arguments.out),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}
