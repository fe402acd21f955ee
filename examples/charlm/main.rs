//! A language model of characters whose hidden numbers are angles, beside a transformer of as many parameters.
//!
//! `cargo run --example charlm` trains both on the release notes of Rust, which come with the toolchain's
//! documentation, and prints bits a character of held-out text; `-- --resume` goes on where a run stopped, bit for bit;
//! `-- sample` prints text that a trained network makes up. `--text FILE` takes another text.

#[macro_use]
#[path = "../common/output.rs"]
mod output;

mod network;
mod plot;
mod run;
mod sample;
mod text;
mod train;

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use kuramoto::{Context, Tape};
use serde_json::json;

use crate::network::{Kind, Network, Size};
use crate::run::{Record, Settings};
use crate::text::Corpus;
use crate::train::{Bits, Plan, train};

/// How long a readback waits: a large batch takes a software driver minutes.
const PATIENCE: Duration = Duration::from_secs(1800);

/// Steps of a quick run.
const QUICK: usize = 60;

/// What a quick run must gain on the frequencies of characters, in bits a character.
const GAIN: f64 = 0.3;

/// Trains a language model of characters on the torus and a transformer, and compares them on held-out text.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    args: Args,
}

#[derive(Subcommand)]
enum Command {
    /// Print text that a trained network makes up
    Sample(sample::Args),
}

#[derive(clap::Args)]
struct Args {
    /// A text to learn, in UTF-8; without it, the release notes of Rust
    #[arg(long, value_name = "FILE")]
    text: Option<PathBuf>,
    /// Only this network
    #[arg(long, value_enum)]
    model: Option<Kind>,
    #[command(flatten)]
    size: Size,
    /// Characters that a network sees
    #[arg(long, default_value_t = 64, value_parser = at_least_one)]
    context: usize,
    /// Windows of a step
    #[arg(long, default_value_t = 16, value_parser = at_least_one)]
    batch: usize,
    /// Steps of the optimiser
    #[arg(long, default_value_t = 2000, value_parser = at_least_one)]
    steps: usize,
    /// Largest learning rate
    #[arg(long, default_value_t = 4e-3)]
    rate: f64,
    /// Seed of weights and batches
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Steps between two points of the curves, each with a checkpoint
    #[arg(long, default_value_t = 100, value_parser = at_least_one)]
    every: usize,
    /// Go on from the checkpoints in the folder of --out, which must be of the same settings
    #[arg(long)]
    resume: bool,
    /// Small networks, few steps, this library's own documents: to see that everything runs and learns
    #[arg(long)]
    quick: bool,
    /// Where checkpoints and the picture go
    #[arg(long, default_value = "target/charlm")]
    out: PathBuf,
    /// Where the numbers are written as JSON
    #[arg(long)]
    json: Option<PathBuf>,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n > 0).ok_or_else(|| "must be a whole number of at least 1".into())
}

fn main() -> Result<(), Box<dyn Error>> {
    let Cli { command, args } = Cli::parse();
    match command {
        Some(Command::Sample(args)) => sample::sample(&args),
        None => compare(args),
    }
}

/// What came of one network.
struct Outcome {
    record: Record,
    bits: Bits,
    learned: usize,
}

fn compare(mut args: Args) -> Result<(), Box<dyn Error>> {
    if args.quick {
        args.size = Size { layers: 1, heads: 4, dim: 8, ..args.size };
        (args.context, args.batch, args.steps, args.every, args.rate) = (32, 8, QUICK, QUICK / 2, 1e-2);
    }
    let source = match &args.text {
        Some(path) => text::read(path)?,
        None if args.quick => text::documents()?,
        None => text::release_notes()?,
    };
    let corpus = Corpus::new(&source.text, if args.quick { 4 } else { 20 })?;
    let context = Context::new()?;
    context.set_timeout(PATIENCE);
    let unigram = corpus.unigram_bits();
    note!("{context:?}");
    note!(
        "{}: {} characters to learn, {} held out, {} symbols",
        source.name,
        Corpus::count(&corpus.train),
        Corpus::count(&corpus.held_out),
        corpus.symbols.len()
    );
    note!("frequencies of characters alone: {unigram:.3} bits a character");
    std::fs::create_dir_all(&args.out).map_err(|why| format!("{}: {why}", args.out.display()))?;

    let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| args.model.is_none_or(|only| only == *kind)).collect();
    let bar = ProgressBar::new((kinds.len() * args.steps) as u64);
    bar.set_style(ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len}, {eta} to go")?);
    let windows = if args.quick { 32 } else { 256 };
    let plan = Plan { context: &context, corpus: &corpus, every: args.every, windows, bar: &bar };
    let mut outcomes = Vec::new();
    for kind in kinds {
        outcomes.push(one(&args, &plan, kind, source.text.chars().count())?);
    }
    bar.finish_and_clear();
    report(&outcomes, unigram);
    let records: Vec<Record> = outcomes.iter().map(|outcome| outcome.record.clone()).collect();
    let picture = args.out.join("curves.png");
    plot::curves(&picture, &records, unigram)?;
    note!("{}", picture.display());
    if let Some(path) = &args.json {
        let info = context.info();
        let networks: Vec<_> = outcomes.iter().map(|outcome| {
            let Outcome { record, bits, learned } = outcome;
            json!({
                "network": record.settings.kind, "parameters": learned, "bits": bits.mean, "error": bits.error,
                "characters": bits.characters, "steps": record.settings.steps, "seconds": record.seconds, "curve": record.curve,
            })
        }).collect();
        let text = json!({
            "adapter": info.name, "driver": format!("{} {}", info.driver, info.driver_info), "text": source.name,
            "unigram": unigram, "networks": networks,
        });
        std::fs::write(path, serde_json::to_string_pretty(&text)? + "\n")
            .map_err(|why| format!("{}: {why}", path.display()))?;
    }
    if args.quick {
        judge(&args, &plan, &outcomes, unigram)?;
    }
    Ok(())
}

/// Trains one network, or goes on.
fn one(args: &Args, plan: &Plan, kind: Kind, characters: usize) -> Result<Outcome, Box<dyn Error>> {
    let settings = Settings {
        kind,
        size: args.size,
        context: args.context,
        batch: args.batch,
        steps: args.steps,
        rate: args.rate,
        seed: args.seed,
        symbols: plan.corpus.symbols.clone(),
        characters,
    };
    let network = Network::new(kind, &settings.size, settings.symbols.len())?;
    let mut record = Record { settings, curve: vec![], seconds: 0.0 };
    let path = run::path(&args.out, kind);
    if args.resume && path.exists() {
        let (_, found) = run::load(&path)?;
        if found.settings != record.settings {
            return Err(format!(
                "{}: was made with other settings or another text; leave --resume away",
                path.display()
            )
            .into());
        }
        plan.bar.inc(found.curve.last().map_or(0, |point| point.step) as u64);
        record = found;
    }
    let (_, bits) = train(plan, &network, &mut record, &args.out, args.steps)?;
    let learned = network.parameters(args.seed)?.learned();
    Ok(Outcome { record, bits, learned })
}

fn report(outcomes: &[Outcome], unigram: f64) {
    say!("{:<12} {:>10} {:>6} {:>20} {:>9}", "network", "parameters", "steps", "bits a character", "s a step");
    for Outcome { record, bits, learned } in outcomes {
        let steps = record.settings.steps;
        let bits = format!("{:.3} ± {:.3}", bits.mean, bits.error);
        say!(
            "{:<12} {learned:>10} {steps:>6} {bits:>20} {:>9.3}",
            record.settings.kind.name(),
            record.seconds / steps as f64
        );
    }
    if let [torus, transformer] = outcomes {
        say!("torus less transformer: {:+.3} bits a character", torus.bits.mean - transformer.bits.mean);
    }
    say!("frequencies of characters: {unigram:.3} bits a character");
}

/// A quick run has to learn, and one that stops in the middle and goes on has to end with the same weights.
fn judge(args: &Args, plan: &Plan, outcomes: &[Outcome], unigram: f64) -> Result<(), Box<dyn Error>> {
    for Outcome { record, bits, .. } in outcomes {
        if bits.mean.is_nan() || bits.mean > unigram - GAIN {
            let name = record.settings.kind.name();
            return Err(
                format!("{name}: {:.3} bits a character, expected at most {:.3}", bits.mean, unigram - GAIN).into()
            );
        }
    }
    let Some(Outcome { record, .. }) = outcomes.first() else { return Ok(()) };
    let network = Network::new(record.settings.kind, &record.settings.size, record.settings.symbols.len())?;
    let (whole, _) = run::load(&run::path(&args.out, record.settings.kind))?;
    let again = args.out.join("resumed");
    std::fs::create_dir_all(&again)?;
    let mut part = Record { settings: record.settings.clone(), curve: vec![], seconds: 0.0 };
    train(plan, &network, &mut part, &again, args.every)?;
    let (trainer, _) = train(plan, &network, &mut part, &again, args.steps)?;
    let resumed = trainer.snapshot(&mut Tape::new(plan.context))?;
    if resumed != whole {
        return Err("a run that was resumed ended with other weights".into());
    }
    Ok(())
}
