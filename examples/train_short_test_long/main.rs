//! Trains networks that carry a state on short bracket strings and tests them on strings many times as long.
//!
//! The task is to say after every bracket of a string of two kinds of brackets, nested up to three deep, what may follow.
//! The fast-slow cell of oscillators (arXiv 2604.01577) makes `T` fast steps for each bracket; a plain recurrent network and
//! a looped perceptron without spheres stand beside it.
//!
//! `cargo run --example train_short_test_long` takes minutes on a software driver and writes `length.png` (strings that are
//! right from their start, by length) and `loss.png`. `--quick` ends in seconds and fails if nothing is learned.

#[path = "../sudoku/canvas.rs"]
mod canvas;
mod network;
// The Sudoku study draws histograms as well.
#[allow(dead_code)]
#[path = "../sudoku/plots.rs"]
mod plots;
mod report;
mod strings;
mod study;

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use kuramoto::Context;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use crate::network::{Kind, Network};
use crate::strings::Strings;
use crate::study::{Outcome, Plan, Training};

/// Test strings come from this seed, whatever the networks' seeds.
const TEST_SEED: u64 = 1_000_000;

/// Trains on short bracket strings and tests on long ones.
#[derive(Parser)]
struct Args {
    /// The seed of the first network of each kind
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many networks of each kind are trained, from seeds that follow each other
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// Fast steps of the oscillators, a network for each number
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 4])]
    fast: Vec<usize>,
    /// Rounds of the looped perceptron
    #[arg(long, default_value_t = 2, value_parser = at_least_one)]
    rounds: usize,
    /// Steps of the optimiser
    #[arg(long, default_value_t = 400, value_parser = at_least_one)]
    steps: usize,
    /// Strings of a training step
    #[arg(long, default_value_t = 64, value_parser = at_least_one)]
    batch: usize,
    /// Brackets of a training string
    #[arg(long, default_value_t = 16, value_parser = at_least_one)]
    length: usize,
    /// Brackets of a test string
    #[arg(long, default_value_t = 256, value_parser = at_least_one)]
    test_length: usize,
    /// Test strings
    #[arg(long, default_value_t = 64, value_parser = at_least_one)]
    tests: usize,
    /// Learning rate of the first step, from which it falls in a line to zero
    #[arg(long, default_value_t = 1e-2)]
    rate: f64,
    /// The loss is read after every so many steps
    #[arg(long, default_value_t = 20, value_parser = at_least_one)]
    log_every: usize,
    /// A few steps of small networks, which must learn something
    #[arg(long)]
    quick: bool,
    /// Where pictures are written
    #[arg(long, default_value = "target/train_short_test_long")]
    out: PathBuf,
    /// Where the numbers are written as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// Trains nothing: prints and draws what an earlier run wrote with --json
    #[arg(long, value_name = "JSON", conflicts_with_all = ["quick", "json"])]
    redraw: Option<PathBuf>,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n > 0).ok_or_else(|| "must be a whole number of at least 1".into())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = Args::parse();
    if args.quick {
        (args.seeds, args.fast, args.rounds) = (1, vec![1], 1);
        (args.steps, args.log_every, args.length, args.test_length, args.tests) = (24, 12, 6, 64, 32);
    }
    if let Some(path) = &args.redraw {
        let (outcomes, length) = report::read(path)?;
        return show(&args, &outcomes, length);
    }
    let started = Instant::now();
    let context = Context::new()?;
    println!("{context:?}");
    let strings = Strings::draw(&mut ChaCha8Rng::seed_from_u64(TEST_SEED), args.tests, args.test_length);
    let fast = args.fast.iter().map(|steps| Kind::FastSlow(*steps));
    let kinds: Vec<Kind> = fast.chain([Kind::Plain, Kind::Looped(args.rounds)]).collect();
    println!(
        "trained on {} brackets, tested on {}; always the most frequent answer is right on {:.1} % of them",
        args.length,
        args.test_length,
        100.0 * strings.guess()
    );
    let bar = ProgressBar::new(kinds.len() as u64 * args.seeds * args.steps as u64);
    bar.set_style(ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len}, {eta} to go")?);
    let mut outcomes = Vec::new();
    for seed in (0..args.seeds).map(|i| args.seed.wrapping_add(i)) {
        for kind in &kinds {
            outcomes.push(run(&args, &context, *kind, &strings, seed, &bar)?);
        }
        // After every seed, so that a run that is cut short leaves what it has.
        if let Some(path) = &args.json {
            let took = started.elapsed().as_secs_f64();
            std::fs::write(path, report::json(&outcomes, args.length, took).to_string() + "\n")?;
        }
    }
    bar.finish_and_clear();
    show(&args, &outcomes, args.length)?;
    println!("{:.0} s", started.elapsed().as_secs_f64());
    if args.quick { learned(&outcomes, &strings) } else { Ok(()) }
}

/// The table and the pictures.
fn show(args: &Args, outcomes: &[Outcome], length: usize) -> Result<(), Box<dyn Error>> {
    let mut kinds: Vec<Kind> = Vec::new();
    for outcome in outcomes {
        if !kinds.contains(&outcome.kind) {
            kinds.push(outcome.kind);
        }
    }
    report::print(&kinds, outcomes, length);
    std::fs::create_dir_all(&args.out)?;
    report::draw(&args.out, &kinds, outcomes, length)?;
    println!("pictures in {}", args.out.display());
    Ok(())
}

fn run(
    args: &Args,
    context: &Context,
    kind: Kind,
    strings: &Strings,
    seed: u64,
    bar: &ProgressBar,
) -> Result<Outcome, Box<dyn Error>> {
    let started = Instant::now();
    let Args { steps, batch, length, rate, log_every, .. } = *args;
    let network = Network::new(kind)?;
    let learned = network.parameters(seed)?.learned();
    let mut training = Training::new(context, &network, Plan { seed, steps, batch, length, rate, log_every })?;
    let mut losses = Vec::new();
    for step in 1..=steps {
        if let Some(loss) = training.step()? {
            losses.push((step, loss));
            bar.set_message(format!("{}, seed {seed}, loss {loss:.3}", kind.name()));
            let per_step = started.elapsed().as_secs_f64() / step as f64;
            let line = format!("{}, seed {seed}, step {step:>4}: loss {loss:.4}, {per_step:.2} s a step", kind.name());
            bar.suspend(|| println!("{line}"));
        }
        bar.inc(1);
    }
    let [right, unbroken] = training.curves(strings)?;
    if args.quick {
        in_one_go(&training, strings)?;
    }
    Ok(Outcome { kind, seed, learned, losses, right, unbroken, seconds: started.elapsed().as_secs_f64() })
}

/// The answers of a string that is read in chunks must be those of the string read at once.
fn in_one_go(training: &Training, strings: &Strings) -> Result<(), Box<dyn Error>> {
    let answers = |chunk: usize| -> kuramoto::Result<Vec<bool>> {
        let mut all = vec![false; strings.count * strings.length];
        training.test(strings, chunk, |b, t, is| all[b * strings.length + t] = is)?;
        Ok(all)
    };
    match answers(7)? == answers(strings.length)? {
        true => Ok(()),
        false => Err("a string in chunks has other answers than the string at once".into()),
    }
}

/// What `--quick` is for: the loss of every network must fall, and long strings be answered better than by guessing.
fn learned(outcomes: &[Outcome], strings: &Strings) -> Result<(), Box<dyn Error>> {
    for outcome in outcomes {
        let name = outcome.kind.name();
        let (first, last) = (outcome.losses[0].1, outcome.losses[outcome.losses.len() - 1].1);
        if last.is_nan() || last > 0.8 * first {
            return Err(format!("{name}: the loss went from {first:.3} to {last:.3}").into());
        }
        let right = outcome.right.iter().sum::<f64>() / outcome.right.len() as f64;
        if right < strings.guess() + 0.1 {
            return Err(format!("{name}: {right:.3} right, {:.3} by guessing", strings.guess()).into());
        }
    }
    Ok(())
}
