//! Which number must the verb have? Subject-verb agreement with attractor nouns, by fixed-query oscillator attention and
//! by softmax attention in otherwise equal networks (arXiv 2606.12059).
//!
//! `cargo run --example agreement` trains five networks of each kind, minutes on a software driver; `--help` lists the
//! options.

#[path = "../sudoku/canvas.rs"]
mod canvas;
mod grammar;
mod plots;
mod train;

use std::error::Error;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use kuramoto::Context;
use serde::Serialize;

use grammar::{Grammar, text};
use train::{Corpus, Kind, Outcome, Plan, train};

/// Trains networks of oscillators and of softmax attention on subject-verb agreement
#[derive(Parser, Debug)]
struct Args {
    /// One network of each kind and fewer steps, to see that all works and that the oscillators learn
    #[arg(long)]
    quick: bool,
    /// Networks of each kind
    #[arg(long)]
    seeds: Option<u64>,
    /// Sentences to learn from
    #[arg(long, default_value_t = 6400, value_parser = at_least_one)]
    sentences: usize,
    /// Rounds through them
    #[arg(long)]
    epochs: Option<usize>,
    /// Sentences of a step
    #[arg(long, default_value_t = 32, value_parser = at_least_one)]
    batch: usize,
    /// Learning rate at the start
    #[arg(long, default_value_t = 3e-3)]
    rate: f64,
    /// Fraction of channels that training drops
    #[arg(long, default_value_t = 0.1)]
    dropout: f32,
    /// Components of an oscillator: 2, 4, 8, 16, 32 or 64
    #[arg(long, default_value_t = 2)]
    n: usize,
    /// Exponent of the readout
    #[arg(long, default_value_t = 1)]
    power: u32,
    /// Sentences of each test
    #[arg(long, default_value_t = 256, value_parser = at_least_one)]
    test: usize,
    /// Seed of the corpus
    #[arg(long, default_value_t = 1)]
    corpus: u64,
    /// Networks that are trained at once, each on a device handle of its own
    #[arg(long, default_value_t = 1, value_parser = at_least_one)]
    jobs: usize,
    /// Folder of the pictures
    #[arg(long, default_value = "out/agreement")]
    out: PathBuf,
    /// Also write everything measured to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "a number of at least 1".to_owned())
}

/// Below this accuracy on hard sentences a network has failed, as the paper counts.
const FAILED: f64 = 0.85;

/// Accuracy on easy sentences that `--quick` demands of the oscillators: guessing gives 0.5 within 0.1 for 256 sentences.
const LEARNT: f64 = 0.7;

#[derive(Serialize)]
struct Report {
    adapter: String,
    driver: String,
    steps: usize,
    outcomes: Vec<Outcome>,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let plan = Plan {
        sentences: args.sentences,
        epochs: args.epochs.unwrap_or(if args.quick { 1 } else { 8 }),
        batch: args.batch,
        rate: args.rate,
        dropout: args.dropout,
        n: args.n,
        power: args.power,
        test: args.test,
        every: 100,
    };
    let seeds = args.seeds.unwrap_or(if args.quick { 1 } else { 5 });
    let context = Context::new()?;
    let info = context.info();
    let (adapter, driver) = (info.name.clone(), format!("{} {}", info.driver, info.driver_info));
    println!("{adapter}; {driver}");
    let corpus = Corpus::new(&plan, args.corpus);
    std::fs::create_dir_all(&args.out)?;
    let networks: Vec<(Kind, u64)> =
        (0..seeds).flat_map(|seed| [(Kind::Oscillators, seed), (Kind::Softmax, seed)]).collect();
    let next = AtomicUsize::new(0);
    let work = || -> Result<Vec<Outcome>, String> {
        let mut outcomes = vec![];
        while let Some(network) = networks.get(next.fetch_add(1, Ordering::Relaxed)) {
            outcomes.push(one(args, &plan, &corpus, *network).map_err(|why| why.to_string())?);
        }
        Ok(outcomes)
    };
    let found = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..args.jobs).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().map_err(|_| "a network's thread panicked".to_owned())?).collect()
    });
    let found: Result<Vec<Vec<Outcome>>, String> = found;
    let mut outcomes = found?.concat();
    outcomes.sort_by_key(|outcome| (outcome.seed, outcome.kind == Kind::Softmax));
    let path = args.out.join("accuracy.png");
    plots::accuracy(&path, &outcomes)?;
    println!("{}", path.display());
    let learnt = outcomes.iter().filter(|o| o.kind == Kind::Oscillators).all(|o| o.last().easy >= LEARNT);
    print_table(&outcomes);
    let report = Report { adapter, driver, steps: plan.steps(), outcomes };
    if let Some(path) = &args.json {
        std::fs::write(path, serde_json::to_string_pretty(&report)?)?;
    }
    if args.quick && !learnt {
        return Err(format!("an oscillator network answers fewer than {LEARNT} of the easy sentences").into());
    }
    Ok(())
}

/// Trains one network, on a device handle of its own.
fn one(args: &Args, plan: &Plan, corpus: &Corpus, (kind, seed): (Kind, u64)) -> Result<Outcome, Box<dyn Error>> {
    let context = Context::new()?;
    let bar = if args.jobs == 1 { progress(&format!("{kind:?} {seed}"), plan.steps()) } else { None };
    let mut trained = train(&context, plan, corpus, (kind, seed), |look| match &bar {
        Some(bar) => {
            bar.set_position(look.step as u64);
            bar.set_message(format!("loss {:.3}, hard {:.3}", look.loss, look.hard));
        }
        None => println!(
            "{kind:?} {seed}: step {} of {}: loss {:.3}, easy {:.3}, hard {:.3}",
            look.step,
            plan.steps(),
            look.loss,
            look.easy,
            look.hard
        ),
    })?;
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    if kind == Kind::Oscillators && seed == 0 && plan.n == 2 {
        picture(args, &mut trained)?;
    }
    Ok(trained.outcome)
}

/// The oscillators over one hard sentence with two nouns between subject and verb.
fn picture(args: &Args, trained: &mut train::Trained) -> Result<(), Box<dyn Error>> {
    let mut grammar = Grammar::new(args.corpus + 1);
    let sentence = std::iter::repeat_with(|| grammar.sentence()).find(|s| s.hard && text(s).split(' ').count() == 10);
    if let Some((sentence, phases)) = sentence.and_then(|s| Some((s.clone(), trained.phases(&s).transpose()?))) {
        let path = args.out.join("phases.png");
        plots::circle(&path, &sentence, &phases?)?;
        println!("{}", path.display());
    }
    Ok(())
}

fn progress(name: &str, steps: usize) -> Option<ProgressBar> {
    let bar = std::io::stderr().is_terminal().then(|| ProgressBar::new(steps as u64).with_prefix(name.to_owned()))?;
    match ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {msg} {elapsed}") {
        Ok(style) => Some(bar.with_style(style)),
        Err(_) => Some(bar),
    }
}

fn print_table(outcomes: &[Outcome]) {
    println!("\n| attention | parameters | easy % | hard % | worst hard % | failed | seconds |");
    println!("|---|---|---|---|---|---|---|");
    for kind in [Kind::Oscillators, Kind::Softmax] {
        let of: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.kind == kind).collect();
        let spread = |value: fn(&Outcome) -> f64| {
            let values: Vec<f64> = of.iter().map(|outcome| value(outcome)).collect();
            let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
            let square = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
            (mean, (square / (values.len().max(2) - 1) as f64).sqrt())
        };
        let percent = |(mean, deviation): (f64, f64)| format!("{:.2} ± {:.2}", 100.0 * mean, 100.0 * deviation);
        let (easy, hard) = (percent(spread(|o| o.last().easy)), percent(spread(|o| o.last().hard)));
        let worst = of.iter().map(|o| o.last().hard).fold(f64::INFINITY, f64::min);
        let failed = of.iter().filter(|o| o.last().hard < FAILED).count();
        let (seconds, _) = spread(|o| o.seconds);
        let parameters = of.first().map_or(0, |o| o.parameters);
        println!(
            "| {kind:?} | {parameters} | {easy} | {hard} | {:.2} | {failed} of {} | {seconds:.0} |",
            100.0 * worst,
            of.len()
        );
    }
}
