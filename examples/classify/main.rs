//! Oscillators that recognise digits: a small AKOrN classifier is trained with and without natural frequencies, then
//! judged on clean, noisy, corrupted and attacked pictures, and on whether its confidence can be believed.
//!
//! `cargo run --example classify` takes some minutes on a software driver; `--help` lists the options.

#[macro_use]
#[path = "../common/output.rs"]
mod output;

mod attack;
mod calibration;
mod corruption;
mod data;
mod network;
mod report;

use std::error::Error;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use kuramoto::Context;

use attack::{Attack, Network};
use calibration::{Calibration, confidence};
use corruption::{Corruption, sign_noise};
use data::{CLASSES, Pictures, Split};
use network::{Plan, Trained, train};
use report::{Accuracy, Report, Variant};

/// Trains a small classifier of oscillators and measures how robust it is
#[derive(Parser, Debug)]
struct Args {
    /// What to classify
    #[arg(long, value_enum, default_value = "digits")]
    data: Data,
    /// Where the files of Fashion-MNIST are
    #[arg(long, default_value = data::FASHION)]
    folder: PathBuf,
    /// A few steps and pictures, to see that all works; the figures mean nothing
    #[arg(long)]
    quick: bool,
    /// Pictures to train on
    #[arg(long, value_parser = at_least_one)]
    train: Option<usize>,
    /// Pictures to judge by
    #[arg(long, value_parser = at_least_one)]
    test: Option<usize>,
    /// Rounds through the training pictures
    #[arg(long)]
    rounds: Option<usize>,
    /// Pictures in a step
    #[arg(long, default_value_t = 50, value_parser = at_least_one)]
    batch: usize,
    /// Channels of the first layer, an even number; each further layer has twice as many
    #[arg(long)]
    channels: Option<usize>,
    /// Side of each layer's coupling kernel: one number a layer
    #[arg(long, value_delimiter = ',', default_value = "3")]
    kernels: Vec<usize>,
    /// Steps of the oscillators in each layer
    #[arg(long, default_value_t = 3)]
    steps: usize,
    /// Learning rate at the start
    #[arg(long, default_value_t = 1e-2)]
    learning_rate: f64,
    /// Steps of the PGD attack
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pgd: Option<u32>,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Steps between two looks at the loss
    #[arg(long, default_value_t = 30, value_parser = at_least_one)]
    log_every: usize,
    /// Use the adapter whose name contains this
    #[arg(long, env = "KURAMOTO_ADAPTER")]
    adapter: Option<String>,
    /// Folder of the reliability diagram
    #[arg(long, default_value = "out/classify")]
    out: PathBuf,
    /// Also write everything measured to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum Data {
    /// 8 x 8 pixels, part of this repository
    Digits,
    /// Clothes at 14 x 14 pixels, if Fashion-MNIST is installed
    Fashion,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "a number of at least 1".to_owned())
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

/// The most that an attack moves a pixel.
const ATTACK: f32 = 8.0 / 255.0;
/// How far sign noise moves each pixel.
const NOISE: f32 = 64.0 / 255.0;

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let split = pictures(args)?;
    let context = context(args.adapter.as_deref())?;
    let adapter = context.info().name.clone();
    note!("{adapter}; {} pictures to train on, {} to judge by", split.train.len(), split.test.len());
    let mut variants = Vec::new();
    for (name, frequencies) in [("with frequencies", true), ("without", false)] {
        let plan = plan(args, frequencies, split.train.len());
        let progress = Progress::new(name, plan.steps);
        let mut network = train(&context, &plan, &split.train, |step, loss| progress.set(step, loss))?;
        drop(progress);
        variants.push(judge(&mut network, name, args, &plan, &split.test)?);
    }
    let report = Report {
        data: match args.data {
            Data::Digits => "digits 8 x 8".to_owned(),
            Data::Fashion => "Fashion-MNIST 14 x 14".to_owned(),
        },
        adapter,
        seed: args.seed,
        train_pictures: split.train.len(),
        test_pictures: split.test.len(),
        variants,
    };
    note!("\n{report}");
    std::fs::create_dir_all(&args.out)?;
    let diagram = args.out.join("reliability.png");
    let panels: Vec<(&str, &Calibration)> = report.variants.iter().map(|v| (v.name.as_str(), &v.calibration)).collect();
    calibration::draw(&diagram, &panels)?;
    note!("reliability diagram: {}", diagram.display());
    if let Some(path) = &args.json {
        report.write_json(path)?;
    }
    Ok(())
}

fn pictures(args: &Args) -> Result<Split, data::DataError> {
    let (train, test) = match (args.quick, args.data) {
        (true, _) => (40, 20),
        (false, Data::Digits) => (1500, 297),
        (false, Data::Fashion) => (6000, 300),
    };
    let (train, test) = (args.train.unwrap_or(train), args.test.unwrap_or(test));
    match args.data {
        Data::Digits => data::digits(train, test, args.seed),
        Data::Fashion => data::fashion(&args.folder, train, test),
    }
}

fn context(wanted: Option<&str>) -> Result<Context, Box<dyn Error>> {
    let Some(wanted) = wanted else { return Ok(Context::new()?) };
    let adapters = Context::adapters();
    let has_name = |name: String| name.to_lowercase().contains(&wanted.to_lowercase());
    let adapter = adapters.iter().find(|adapter| has_name(adapter.get_info().name));
    Ok(Context::from_adapter(adapter.ok_or_else(|| format!("no adapter is named {wanted}"))?)?)
}

fn plan(args: &Args, frequencies: bool, train: usize) -> Plan {
    let rounds = args.rounds.unwrap_or(match args.data {
        Data::Digits => 20,
        Data::Fashion => 3,
    });
    let steps = rounds * (train / args.batch).max(1);
    Plan {
        channels: args.channels.unwrap_or(8),
        kernels: args.kernels.clone(),
        oscillator_steps: args.steps,
        frequencies,
        steps: if args.quick { steps.min(3) } else { steps },
        batch: args.batch,
        learning_rate: args.learning_rate,
        seed: args.seed,
        log_every: args.log_every,
    }
}

/// Asks the network about the test pictures in every condition. Each condition has draws of its own for the
/// oscillators' start.
fn judge(
    network: &mut Trained,
    name: &str,
    args: &Args,
    plan: &Plan,
    test: &Pictures,
) -> Result<Variant, Box<dyn Error>> {
    let started = Instant::now();
    let pgd = args.pgd.unwrap_or(if args.quick { 2 } else { 20 });
    let mut accuracies = Vec::new();
    let clean = answers(network, test, 0)?;
    let mut add = |condition: String, answers: &[(f64, bool)]| {
        let right = answers.iter().filter(|(_, right)| *right).count();
        accuracies.push(Accuracy { condition, accuracy: right as f64 / answers.len().max(1) as f64 });
    };
    add("clean".into(), &clean);
    add("sign noise of 64/255".into(), &answers(network, &sign_noise(test, NOISE, args.seed), 1)?);
    for (corruption, draw) in Corruption::ALL.into_iter().zip(2..) {
        add(corruption.name().into(), &answers(network, &corruption.apply(test, args.seed), draw)?);
    }
    let attacks = [("FGSM", Attack::fgsm(ATTACK), 10), ("PGD", Attack::pgd(ATTACK, pgd), 20)];
    for (kind, attack, draw) in attacks {
        let moved = attack.run(network, test, draw + 1)?;
        let steps = if attack.steps > 1 { format!("-{}", attack.steps) } else { String::new() };
        add(format!("{kind}{steps} at 8/255"), &answers(network, &moved, draw)?);
    }
    Ok(Variant {
        name: name.to_owned(),
        parameters: network.parameters,
        steps: plan.steps,
        train_seconds: network.seconds,
        evaluate_seconds: started.elapsed().as_secs_f64(),
        last_loss: network.last_loss,
        frequencies: network.frequencies.clone(),
        accuracies,
        calibration: Calibration::new(clean),
    })
}

/// Confidence, and whether the answer is right, for each picture.
fn answers(network: &mut Trained, pictures: &Pictures, draw: u32) -> Result<Vec<(f64, bool)>, Box<dyn Error>> {
    let logits = network.logits(pictures, draw)?;
    let one = |(logits, label): (&[f64], &u32)| {
        let (class, confidence) = confidence(logits);
        (confidence, class == *label as usize)
    };
    Ok(logits.chunks(CLASSES).zip(&pictures.labels).map(one).collect())
}

/// A bar on a terminal, lines elsewhere.
struct Progress {
    name: String,
    bar: Option<ProgressBar>,
    steps: usize,
}

impl Progress {
    fn new(name: &str, steps: usize) -> Progress {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(steps as u64).with_prefix(name.to_owned());
            match ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {msg} {elapsed}") {
                Ok(style) => bar.with_style(style),
                Err(_) => bar,
            }
        });
        Progress { name: name.to_owned(), bar, steps }
    }

    fn set(&self, step: usize, loss: f64) {
        match &self.bar {
            Some(bar) => {
                bar.set_position(step as u64);
                bar.set_message(format!("loss {loss:.3}"));
            }
            None => eprintln!("{}: step {step} of {}, loss {loss:.3}", self.name, self.steps),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
