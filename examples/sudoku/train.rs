//! The command `train`: steps until the last one or the end of the time, with looks, tests and checkpoints in between.

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use serde_json::json;

use super::session::Session;
use super::settings::{Flags, Places, Preset, at_least_one};

#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[command(flatten)]
    pub flags: Flags,
    #[command(flatten)]
    pub places: Places,
    /// Go on with the run in --out
    #[arg(long)]
    pub resume: bool,
    /// Replace the run in --out
    #[arg(long, conflicts_with = "resume")]
    pub overwrite: bool,
    /// Start a new run from these weights, a file or the folder of a run, instead of random ones
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    pub from: Option<PathBuf>,
    /// Stop after so many seconds; --resume goes on
    #[arg(long, value_name = "S")]
    pub max_seconds: Option<f64>,
    /// Seconds between checkpoints
    #[arg(long, value_name = "S", default_value_t = 120.0)]
    pub save_every: f64,
    /// Steps between two looks at loss and accuracy, the only times that training waits for the device
    #[arg(long, default_value_t = 10, value_parser = at_least_one)]
    pub log_every: usize,
    /// Steps between tests on held-out boards, 0 for one at the end alone
    #[arg(long, default_value_t = 100)]
    pub test_every: usize,
    /// Held-out boards to test on
    #[arg(long, default_value_t = 200, value_parser = at_least_one)]
    pub test_boards: usize,
    /// Also write the averaged weights to this file, in f16; the folder of the run gets them anyway
    #[arg(long, value_name = "FILE")]
    pub export: Option<PathBuf>,
}

impl Args {
    /// The tiny run of `--quick`.
    pub fn quick(out: PathBuf) -> Args {
        let data = out.join("boards");
        Args {
            flags: Flags { preset: Some(Preset::Tiny), ..Flags::default() },
            places: Places { out, data, json: None },
            resume: false,
            overwrite: true,
            from: None,
            max_seconds: None,
            save_every: 120.0,
            log_every: 20,
            test_every: 100,
            test_boards: 200,
            export: None,
        }
    }
}

/// What came of a run.
pub struct Outcome {
    /// Shares of held-out blank cells and boards that the averaged weights get right.
    pub digits: f64,
    pub boards: f64,
}

pub fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    train(args).map(|_| ())
}

/// Trains as `args` say.
pub fn train(args: &Args) -> Result<Outcome, Box<dyn Error>> {
    let mut session = Session::open(args)?;
    let last = session.last();
    let (started, mut saved) = (Instant::now(), Instant::now());
    let mut tested = None;
    while session.steps() < last {
        let batch = session.step()?;
        let step = session.steps();
        let late = args.max_seconds.is_some_and(|most| started.elapsed().as_secs_f64() >= most);
        let done = step == last || late;
        let test = done || args.test_every > 0 && (step as usize).is_multiple_of(args.test_every);
        if !test && !(step as usize).is_multiple_of(args.log_every) {
            session.submit(batch)?;
            continue;
        }
        tested = session.look(batch, test)?;
        if done || saved.elapsed().as_secs_f64() >= args.save_every {
            session.save()?;
            saved = Instant::now();
        }
        if late {
            break;
        }
    }
    let [digits, boards] = match tested {
        Some(tested) => tested,
        None => session.test()?,
    };
    session.close(args.export.as_deref())?;
    let (steps, seconds) = (session.steps(), session.seconds());
    let (digits_percent, boards_percent) = (100.0 * digits, 100.0 * boards);
    note!("held out: {digits_percent:.2} % of blank cells, {boards_percent:.2} % of boards");
    match steps < last {
        true => note!("stopped after {steps} of {last} steps; --resume goes on"),
        false => note!("{last} steps in {seconds:.1} s, {:.1} boards/s while training", session.pace()),
    }
    note!("log, plot, weights and checkpoint: {}", args.places.out.display());
    if let Some(path) = &args.places.json {
        let outcome = json!({
            "settings": session.settings(),
            "changes": session.changes(),
            "adapter": session.adapter(),
            "parameters": session.parameters(),
            "steps": steps,
            "boards_seen": session.boards(),
            "seconds": seconds,
            "boards_per_second": session.pace(),
            "digit_accuracy": digits,
            "board_accuracy": boards,
        });
        std::fs::write(path, outcome.to_string() + "\n")?;
    }
    Ok(Outcome { digits, boards })
}
