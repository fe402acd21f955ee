//! How deep can a network be? Random networks that commute with a rotation of all neurons are measured against theory, then
//! classifiers of a hundred layers are trained: with complex weights, with one weight for a pair of vector neurons, and
//! without the symmetry.
//!
//! `cargo run --example depth` takes minutes on a software driver; `--help` lists the options.

#[path = "../sudoku/canvas.rs"]
mod canvas;
mod curve;
#[allow(dead_code)] // The example of the classifier uses more of it.
#[path = "../classify/data.rs"]
mod data;
mod plots;
mod progress;
mod report;
mod train;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use kuramoto::Context;
use kuramoto::model::equivariant::{MeanField, Symmetry};

use curve::{Simulation, measure};
use plots::{Dots, Line, Picture};
use progress::Progress;
use report::{Measured, Report, Run};
use train::{Plan, train};

/// Measures order in random deep networks and trains classifiers of a hundred layers
#[derive(Parser, Debug)]
struct Args {
    /// One of the two parts
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// Small and short, to see that all works
    #[arg(long)]
    quick: bool,
    /// Scaled deviations of the weights at which order is measured
    #[arg(long, value_delimiter = ',')]
    sigmas: Option<Vec<f64>>,
    /// Neurons of a random network
    #[arg(long, default_value_t = 512, value_parser = at_least_one)]
    neurons: usize,
    /// Random networks that are averaged
    #[arg(long, default_value_t = 4, value_parser = at_least_one)]
    networks: usize,
    /// Scaled deviations at which classifiers begin
    #[arg(long, value_delimiter = ',', default_value = "1.5")]
    start: Vec<f64>,
    /// Layers of a classifier
    #[arg(long, default_value_t = 100, value_parser = at_least_one)]
    layers: usize,
    /// Channels of a classifier's layer, a multiple of 4
    #[arg(long, default_value_t = 64, value_parser = at_least_one)]
    features: usize,
    /// Steps of training
    #[arg(long, default_value_t = 600, value_parser = at_least_one)]
    steps: usize,
    /// Pictures in a step
    #[arg(long, default_value_t = 50, value_parser = at_least_one)]
    batch: usize,
    /// Learning rate of Adam
    #[arg(long, default_value_t = 1e-3)]
    learning_rate: f64,
    /// Classifiers of each kind, with other initial weights and another order of the pictures
    #[arg(long, default_value_t = 3, value_parser = at_least_one)]
    seeds: usize,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Use the adapter whose name contains this
    #[arg(long, env = "KURAMOTO_ADAPTER")]
    adapter: Option<String>,
    /// Folder of the pictures
    #[arg(long, default_value = "out/depth")]
    out: PathBuf,
    /// Also write everything measured to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Debug)]
enum Part {
    /// The order parameter over the deviation of the weights
    Order,
    /// The classifiers
    Classify,
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

/// The networks whose order is measured, and those that classify.
const ORDERED: [(&str, Symmetry); 2] = [("U(1)", Symmetry::U1), ("O(4)", Symmetry::Orthogonal { k: 4 })];
const CLASSIFIERS: [(&str, Symmetry); 3] =
    [("U(1)", Symmetry::U1), ("O(4)", Symmetry::Orthogonal { k: 4 }), ("no symmetry", Symmetry::Generic { k: 2 })];

/// How far the measured order may be from theory.
const CLOSE: f64 = 0.02;

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let context = context(args.adapter.as_deref())?;
    let info = context.info();
    println!("{}, {} {}", info.name, info.driver, info.driver_info);
    std::fs::create_dir_all(&args.out)?;
    let mut report = Report::new(&context, args.seed);
    if args.only != Some(Part::Classify) {
        report.order = ordered(args, &context)?;
        print!("{}", report.order_table());
    }
    if args.only != Some(Part::Order) {
        report.runs = classified(args, &context)?;
        print!("{}", report.runs_table());
    }
    if let Some(path) = &args.json {
        report.write_json(path)?;
    }
    if args.quick {
        // A few points of small networks: the bound is that of their fluctuations.
        report.check(0.1)
    } else {
        report.check(CLOSE)
    }
}

fn ordered(args: &Args, context: &Context) -> Result<Vec<Measured>, Box<dyn Error>> {
    let usual: &[f64] = match args.quick {
        true => &[0.8, 1.5],
        false => &[0.6, 0.8, 0.9, 1.0, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0, 2.5, 3.0],
    };
    let sigmas = args.sigmas.as_deref().unwrap_or(usual);
    let mut measured = Vec::new();
    let mut progress = Progress::new("order", ORDERED.len() * sigmas.len());
    for (name, symmetry) in ORDERED {
        for sigma_w in sigmas {
            let simulation = Simulation {
                symmetry,
                sigma_w: *sigma_w,
                neurons: if args.quick { 128 } else { args.neurons },
                networks: if args.quick { 2 } else { args.networks },
                seed: args.seed,
            };
            let found = measure(context, &simulation)?;
            let theory = MeanField::new(symmetry.components(), *sigma_w)?;
            measured.push(Measured {
                network: name.to_owned(),
                sigma_w: *sigma_w,
                c: found.c,
                spread: found.spread,
                theory: theory.fixed_point(),
                norm: found.norm,
            });
            progress.step(&format!("{name}, sigma_w {sigma_w}: c {:.4}", found.c));
        }
    }
    drop(progress);
    draw_order(&args.out.join("order.png"), &measured)?;
    println!("the order parameter: {}", args.out.join("order.png").display());
    Ok(measured)
}

fn draw_order(path: &Path, measured: &[Measured]) -> Result<(), Box<dyn Error>> {
    let (low, high) = measured.iter().fold((f64::INFINITY, 0.0f64), |(l, h), m| (l.min(m.sigma_w), h.max(m.sigma_w)));
    let mut picture = Picture::new("order parameter in the deep", "sigma_w", "c = E |phi|²");
    for (colour, (name, symmetry)) in ORDERED.iter().enumerate() {
        let points = (0..=120).map(|i| low + (high - low) * f64::from(i) / 120.0);
        let theory = |sigma_w: f64| Ok((sigma_w, MeanField::new(symmetry.components(), sigma_w)?.fixed_point()));
        let line = points.map(theory).collect::<kuramoto::Result<_>>()?;
        picture.lines.push(Line { name: format!("{name}, theory"), colour, points: line });
        let found = measured.iter().filter(|m| m.network == *name).map(|m| (m.sigma_w, m.c)).collect();
        picture.dots.push(Dots { name: format!("{name}, measured"), colour, points: found });
    }
    picture.draw(path)
}

fn classified(args: &Args, context: &Context) -> Result<Vec<Run>, Box<dyn Error>> {
    let (pictures, judged, steps, seeds) = match args.quick {
        true => (200, 100, 4, 1),
        false => (1500, 297, args.steps, args.seeds),
    };
    let split = data::digits(pictures, judged, args.seed)?;
    let mut runs = Vec::new();
    for sigma_w in &args.start {
        for (name, symmetry) in CLASSIFIERS {
            for seed in 0..seeds as u64 {
                let plan = Plan {
                    symmetry,
                    features: args.features,
                    layers: args.layers,
                    sigma_w: *sigma_w,
                    steps,
                    batch: args.batch,
                    learning_rate: args.learning_rate,
                    seed: args.seed + seed,
                };
                let mut progress = Progress::new(&format!("{name}, sigma_w {sigma_w}, seed {seed}"), steps);
                let run = train(context, &plan, name, &split, &mut |what| progress.step(what))?;
                drop(progress);
                println!("{}", run.line());
                runs.push(run);
            }
        }
    }
    draw_losses(&args.out.join("losses.png"), &runs)?;
    println!("the losses: {}", args.out.join("losses.png").display());
    Ok(runs)
}

fn draw_losses(path: &Path, runs: &[Run]) -> Result<(), Box<dyn Error>> {
    let mut picture = Picture::new("training of a hundred layers", "step", "cross entropy").falling();
    for (colour, (name, _)) in CLASSIFIERS.iter().enumerate() {
        for (nth, run) in runs.iter().filter(|run| run.network == *name).enumerate() {
            // One name for all runs of a kind.
            let name = if nth == 0 { (*name).to_owned() } else { String::new() };
            picture.lines.push(Line { name, colour, points: run.losses.clone() });
        }
    }
    picture.draw(path)
}

fn context(wanted: Option<&str>) -> Result<Context, Box<dyn Error>> {
    let Some(wanted) = wanted else { return Ok(Context::new()?) };
    let adapters = Context::adapters();
    let has_name = |name: String| name.to_lowercase().contains(&wanted.to_lowercase());
    let adapter = adapters.iter().find(|adapter| has_name(adapter.get_info().name));
    Ok(Context::from_adapter(adapter.ok_or_else(|| format!("no adapter is named {wanted}"))?)?)
}
