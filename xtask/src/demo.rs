//! `cargo xtask demo`: the silhouette experiment, with pictures, then Sudoku, solved by synchronisation.

mod files;
mod sudoku;
mod words;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use kuramoto::{Context, Tape};

use crate::adapter::{self, AdapterArgs};
use crate::driver;
use crate::experiment::{self, Run, Settings};
use crate::failure::{Failure, Result};
use crate::pictures::{Frame, Silhouette};
use crate::progress::Progress;
use crate::{output, say};

/// Flags of the command.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The shape, a PNG: what is opaque, or without transparency what stands out from the ground [default: a fish]
    #[arg(long, value_name = "FILE.png")]
    image: Option<PathBuf>,
    /// Oscillators along each side of the grid
    #[arg(long, default_value_t = Settings::default().size)]
    size: usize,
    /// Time steps
    #[arg(long, default_value_t = Settings::default().steps)]
    steps: usize,
    /// Components of one oscillator
    #[arg(long, default_value_t = Settings::default().n)]
    n: usize,
    /// Extent of the coupling, odd
    #[arg(long, default_value_t = Settings::default().kernel)]
    kernel: usize,
    /// Strength of the coupling
    #[arg(long, default_value_t = Settings::default().scale)]
    scale: f64,
    /// Make the coupling symmetric, so that the dynamics has an energy
    #[arg(long)]
    symmetric: bool,
    /// Frequency of all oscillators
    #[arg(long, default_value_t = Settings::default().omega)]
    omega: f64,
    /// Seed of the coupling and of the first state
    #[arg(long, default_value_t = Settings::default().seed)]
    seed: u64,
    /// Step size
    #[arg(long, default_value_t = Settings::default().gamma)]
    gamma: f64,
    /// Drive the inside of the shape as well: the control, in which every region locks
    #[arg(long)]
    no_silhouette: bool,
    /// Show one part alone
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// Weights of the Sudoku network, as `sudoku train` writes them [default: those of examples/weights]
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Where the pictures go
    #[arg(long, value_name = "DIR", default_value = "out/demo")]
    out: PathBuf,
    #[command(flatten)]
    adapter: AdapterArgs,
}

/// The parts of the demo.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    /// The outline of a shape
    Silhouette,
    /// Puzzles
    Sudoku,
}

impl Args {
    fn settings(&self) -> Settings {
        Settings {
            size: self.size,
            steps: self.steps,
            n: self.n,
            kernel: self.kernel,
            scale: self.scale,
            symmetric: self.symmetric,
            omega: self.omega,
            seed: self.seed,
            gamma: self.gamma,
            silhouette: !self.no_silhouette,
        }
    }
}

/// Where the experiment ran.
struct Machine {
    adapter: String,
    driver: String,
    backend: String,
}

/// A run with what only the pictures need.
struct Shown {
    settings: Settings,
    shape: Silhouette,
    machine: Machine,
    run: Run,
    frames: Vec<Frame>,
    set_up_seconds: f64,
    run_seconds: f64,
}

/// Runs the command.
pub fn run(args: &Args) -> Result {
    let settings = args.settings();
    settings.check().map_err(Failure::usage)?;
    let shape = match &args.image {
        Some(path) => Silhouette::from_png(path, settings.size)?,
        None => Silhouette::fish(settings.size)?,
    };
    args.adapter.rerun()?;
    let started = Instant::now();
    let context = driver::context(&args.adapter)?;
    let machine = machine(&context);
    let set_up_seconds = started.elapsed().as_secs_f64();
    let context = context.as_ref().ok();
    if args.only != Some(Part::Sudoku) {
        output::make_folder(&args.out)?;
        let (run, frames, run_seconds) = compute(context, &settings, &shape)?;
        let shown = Shown { settings, shape, machine, run, frames, set_up_seconds, run_seconds };
        let files = files::write(&shown, &args.out)?;
        words::print(&shown);
        say!("Pictures in {}: {}", args.out.display(), files.join(", "));
    }
    if args.only != Some(Part::Silhouette) {
        sudoku::run(context, args.weights.as_deref())?;
    }
    Ok(())
}

fn machine(context: &std::result::Result<Context, String>) -> Machine {
    match context {
        Ok(context) => {
            let info = context.info();
            say!("Adapter: {}, {}", info.name, adapter::driver(info));
            Machine { adapter: info.name.clone(), driver: adapter::driver(info), backend: info.backend.to_string() }
        }
        Err(why) => {
            say!("No adapter ({why}); running on the f64 reference backend.");
            Machine { adapter: "none".into(), driver: "none".into(), backend: "reference (f64, on the host)".into() }
        }
    }
}

fn compute(context: Option<&Context>, settings: &Settings, shape: &Silhouette) -> Result<(Run, Vec<Frame>, f64)> {
    let started = Instant::now();
    let mut progress = Progress::new("demo", settings.steps);
    let tape = context.map_or_else(Tape::reference, Tape::new);
    let mut frames = Vec::new();
    let mut refused = None;
    let every = frame_interval(settings);
    let run = experiment::run(tape, settings, shape, &mut |step, state| {
        progress.at(step, settings.steps, "steps");
        if step % every == 0 || step == settings.steps {
            let vectors = by_site(state, settings.n);
            match Frame::new(step as u64, settings.size, settings.n, vectors) {
                Ok(frame) => frames.push(frame),
                Err(error) => refused = Some(error),
            }
        }
    })?;
    drop(progress);
    match refused {
        Some(error) => Err(error.into()),
        None => Ok((run, frames, started.elapsed().as_secs_f64())),
    }
}

/// Steps between two frames, so that an animation has at most about 100 of them and they take at most 256 MiB.
fn frame_interval(settings: &Settings) -> usize {
    let bytes = 4 * settings.shape().iter().product::<usize>();
    let most = ((256 << 20) / bytes.max(1)).clamp(4, 100);
    settings.steps.div_ceil(most).max(1)
}

/// How long a frame of the animation stays: the whole takes some eight seconds.
fn pause(frames: usize) -> Duration {
    Duration::from_millis((8000 / frames.max(1) as u64).clamp(40, 400))
}

/// From `[n, sites]` to the components of each site in turn.
fn by_site(state: &[f64], n: usize) -> Vec<f32> {
    let sites = state.len() / n;
    (0..sites).flat_map(|site| (0..n).map(move |k| state[k * sites + site] as f32)).collect()
}
