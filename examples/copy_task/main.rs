//! Remembering: a recurrent network reads some symbols, sees nothing for a while and must then repeat them. Complex neurons
//! that commute with a common phase against a plain network of the same width and one of about as many weights.
//!
//! `cargo run --example copy_task` takes minutes on a software driver; `--help` lists the options.

#[path = "../sudoku/canvas.rs"]
mod canvas;
#[path = "../depth/plots.rs"]
mod plots;
#[path = "../depth/progress.rs"]
mod progress;
mod report;
mod task;
mod train;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use kuramoto::Context;
use kuramoto::model::equivariant::Symmetry;

use plots::{Dots, Line, Picture};
use progress::Progress;
use report::{Report, Run};
use task::Task;
use train::{Plan, train};

/// Trains recurrent networks to repeat symbols after a delay
#[derive(Parser, Debug)]
struct Args {
    /// The longest delay in training; each batch draws its own, from 1 on
    #[arg(long, default_value_t = 25, value_parser = at_least_one)]
    t_max: usize,
    /// Symbols to be repeated
    #[arg(long, default_value_t = 3, value_parser = at_least_one)]
    tokens: usize,
    /// Different symbols
    #[arg(long, default_value_t = 10, value_parser = at_least_one)]
    alphabet: usize,
    /// Complex neurons; the plain network of the same width has twice as many
    #[arg(long, default_value_t = 32, value_parser = at_least_one)]
    neurons: usize,
    /// Also train both kinds with gates
    #[arg(long)]
    gated: bool,
    /// Only networks whose name contains this
    #[arg(long)]
    network: Option<String>,
    /// Scaled deviation of the complex weights; the symmetry is broken above 1
    #[arg(long, default_value_t = 1.1)]
    sigma_w: f32,
    /// Scaled deviation of the plain network's weights; 1 is its edge of chaos
    #[arg(long, default_value_t = 1.0)]
    plain_sigma_w: f32,
    /// Steps of training
    #[arg(long, default_value_t = 2000, value_parser = at_least_one)]
    steps: usize,
    /// Sequences in a step
    #[arg(long, default_value_t = 64, value_parser = at_least_one)]
    batch: usize,
    /// Learning rate of Adam
    #[arg(long, default_value_t = 3e-3)]
    learning_rate: f64,
    /// Networks of each kind
    #[arg(long, default_value_t = 2, value_parser = at_least_one)]
    seeds: usize,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Short sequences and small networks, to see that all works
    #[arg(long)]
    quick: bool,
    /// Use the adapter whose name contains this
    #[arg(long, env = "KURAMOTO_ADAPTER")]
    adapter: Option<String>,
    /// Folder of the pictures
    #[arg(long, default_value = "out/copy_task")]
    out: PathBuf,
    /// Also write everything measured to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "a number of at least 1".to_owned())
}

fn main() -> ExitCode {
    let mut args = Args::parse();
    if args.quick {
        // One symbol of two after a short delay is learned within seconds.
        (args.t_max, args.tokens, args.alphabet, args.neurons) = (3, 1, 2, 8);
        (args.steps, args.batch, args.seeds, args.learning_rate) = (80, 32, 1, 1e-2);
    }
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// A kind of network: its name, what it commutes with, its neurons.
type Kind = (String, Symmetry, usize, f32, bool);

fn kinds(args: &Args) -> Vec<Kind> {
    let n = args.neurons;
    let plain = Symmetry::Generic { k: 1 };
    // U(1) has 2 n² recurrent weights, a plain network of m units m².
    let equal = ((2 * n * n) as f64).sqrt().round() as usize;
    let mut kinds = vec![
        (format!("U(1), {n} complex"), Symmetry::U1, n, args.sigma_w, false),
        (format!("plain, {} units", 2 * n), plain, 2 * n, args.plain_sigma_w, false),
        (format!("plain, {equal} units"), plain, equal, args.plain_sigma_w, false),
    ];
    if args.gated {
        kinds.push((format!("U(1) with gates, {n} complex"), Symmetry::U1, n, args.sigma_w, true));
        kinds.push((format!("gated, {} units", 2 * n), plain, 2 * n, args.plain_sigma_w, true));
    }
    kinds
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let context = context(args.adapter.as_deref())?;
    let info = context.info();
    println!("{}, {} {}", info.name, info.driver, info.driver_info);
    std::fs::create_dir_all(&args.out)?;
    let task = Task { tokens: args.tokens, alphabet: args.alphabet, t_max: args.t_max };
    println!(
        "{} of {} symbols, delays up to {}: chance is {:.1} % and a loss of {:.3}",
        task.tokens,
        task.alphabet,
        task.t_max,
        100.0 / task.alphabet as f64,
        (task.alphabet as f64).ln()
    );
    let mut runs: Vec<Run> = Vec::new();
    let wanted = |kind: &Kind| args.network.as_ref().is_none_or(|part| kind.0.contains(part.as_str()));
    for (name, symmetry, neurons, sigma_w, gated) in kinds(args).into_iter().filter(wanted) {
        for seed in 0..args.seeds as u64 {
            let plan = Plan {
                task,
                symmetry,
                neurons,
                gated,
                sigma_w,
                steps: args.steps,
                batch: args.batch,
                learning_rate: args.learning_rate,
                seed: args.seed + seed,
            };
            let mut progress = Progress::new(&format!("{name}, seed {seed}"), args.steps);
            let run = train(&context, &plan, &name, &mut |what| progress.step(what))?;
            drop(progress);
            println!("{}", run.line());
            runs.push(run);
        }
    }
    draw(&args.out, &task, &runs)?;
    println!("the curves: {} and delays.png beside it", args.out.join("losses.png").display());
    let report = Report::new(&context, task, runs);
    print!("{}", report.table());
    if let Some(path) = &args.json {
        report.write_json(path)?;
    }
    report.check(args.quick)
}

fn draw(folder: &Path, task: &Task, runs: &[Run]) -> Result<(), Box<dyn Error>> {
    let mut losses = Picture::new("learning to repeat", "step", "cross entropy of a symbol").falling();
    let mut delays = Picture::new("remembering over a delay", "delay", "share of right symbols").falling();
    let last = runs.iter().flat_map(|run| &run.losses).fold(0.0f64, |m, (step, _)| m.max(*step));
    let chance = (task.alphabet as f64).ln();
    losses.lines.push(Line { name: "chance".into(), colour: 4, points: vec![(0.0, chance), (last, chance)] });
    let mut names: Vec<&str> = Vec::new();
    for run in runs {
        let known = names.iter().position(|name| *name == run.network);
        // One name for all runs of a kind.
        let name = if known.is_none() { run.network.clone() } else { String::new() };
        let colour = known.unwrap_or(names.len());
        if known.is_none() {
            names.push(&run.network);
            let points = runs.iter().filter(|r| r.network == run.network).flat_map(|r| r.delays.clone()).collect();
            delays.dots.push(Dots { name: run.network.clone(), colour, points });
        }
        losses.lines.push(Line { name, colour, points: run.losses.clone() });
        delays.lines.push(Line { name: String::new(), colour, points: run.delays.clone() });
    }
    losses.draw(&folder.join("losses.png"))?;
    delays.draw(&folder.join("delays.png"))
}

fn context(wanted: Option<&str>) -> Result<Context, Box<dyn Error>> {
    let Some(wanted) = wanted else { return Ok(Context::new()?) };
    let adapters = Context::adapters();
    let has_name = |name: String| name.to_lowercase().contains(&wanted.to_lowercase());
    let adapter = adapters.iter().find(|adapter| has_name(adapter.get_info().name));
    Ok(Context::from_adapter(adapter.ok_or_else(|| format!("no adapter is named {wanted}"))?)?)
}
