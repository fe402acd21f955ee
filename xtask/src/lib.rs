//! The commands behind `cargo xtask`.
//!
//! Exit codes: 0 all is well, 1 a check failed, 2 the input is wrong, 3 there is no adapter.

pub mod adapter;
pub mod bundle;
#[path = "../../examples/common/cache.rs"]
mod cache;
pub mod checklist;
pub mod conformance;
pub mod data;
pub mod demo;
pub mod doctor;
pub mod driver;
pub mod experiment;
pub mod failure;
pub mod glob;
pub mod golden;
pub mod inputs;
mod network;
pub mod new_kernel;
pub mod node;
pub mod output;
pub mod pictures;
pub mod profile;
pub mod progress;
pub mod readme;
pub mod root;
pub mod shaders;
mod sudoku;
pub mod test;
pub mod translate;
pub mod tune;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Commands for people who build, check and show the library.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 all is well, 1 a check failed, 2 the input is wrong, 3 there is no adapter.";

#[derive(Subcommand)]
enum Command {
    /// Says what this machine can run, and installs a software driver where there is none
    Doctor(doctor::Args),
    /// Oscillators find the outline of a shape, with pictures, and solve Sudoku
    Demo(demo::Args),
    /// Fetches data sets that the repository may not hold
    Data {
        #[command(subcommand)]
        set: data::Set,
    },
    /// Judges a device: every op, variant, storage type and case against its reference
    Conformance(conformance::Args),
    /// Builds the cases of golden files and compares every output and gradient
    Golden(golden::Args),
    /// Times every kernel, forward and backward, by the device's clock
    Profile(profile::Args),
    /// Finds out what an adapter can do: its ceilings, the price of a dispatch, cooperative matrices
    Checklist(checklist::Args),
    /// Measures which variant of each product is the fastest, and keeps the answer
    Tune(tune::Args),
    /// Packs what measures a machine without a network or a toolchain into one folder
    Bundle(bundle::Args),
    /// The kernels' texts: lists, shows, validates and translates them
    Shaders {
        #[command(subcommand)]
        action: shaders::Action,
    },
    /// Second opinions on the kernels: Tint, a race detector, Dawn; needs Node
    Node(node::Args),
    /// Writes the files and lines of a new op, to be filled in
    NewKernel(new_kernel::Args),
    /// Everything that a change has to pass
    Test(test::Args),
    /// Rewrites the table of kernels in the README
    Readme(readme::Args),
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Doctor(args) => doctor::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Data { set } => data::run(&set),
        Command::Conformance(args) => conformance::run(&args),
        Command::Golden(args) => golden::run(&args),
        Command::Profile(args) => profile::run(&args),
        Command::Checklist(args) => checklist::run(&args),
        Command::Tune(args) => tune::run(&args),
        Command::Bundle(args) => bundle::run(&args),
        Command::Shaders { action } => shaders::run(&action),
        Command::Node(args) => node::run(&args),
        Command::NewKernel(args) => new_kernel::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Readme(args) => readme::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(message) = failure.message() {
                eprintln!("error: {message}");
            }
            failure.code()
        }
    }
}
