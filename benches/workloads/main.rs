//! The library's side of `benches/peers/compare.py`: wall time of whole calls (recording, submission, the device) on inputs
//! that both sides make from one formula, with a number that both must agree on.
//!
//! `cargo bench --bench workloads` prints a table, `-- --json` what the comparison reads.

mod akorn;
mod inputs;
mod layers;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use kuramoto::{Context, Result, Tape, Value};
use serde::Serialize;

#[derive(Parser)]
struct Args {
    /// Only workloads whose name contains TEXT
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Sizes for a GPU also on a software driver
    #[arg(long)]
    large: bool,
    /// Seconds for each workload, after a warm-up
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// One call of each after the first, however long it takes
    #[arg(long)]
    quick: bool,
    /// Where the time of one call goes, by kernels, instead of wall times
    #[arg(long)]
    kernels: bool,
    /// What `cargo bench` passes to every program
    #[arg(long, hide = true)]
    bench: bool,
}

/// Records a call and returns what is compared.
pub type Call = Box<dyn FnMut(&mut Tape) -> Result<Value>>;

/// One call, to be timed.
pub struct Workload {
    /// What is computed; the peer's function has the same name.
    pub name: &'static str,
    /// `forward`, `training` (forward and backward) or `step`.
    pub pass: &'static str,
    /// Extents, by the names that the peer's function takes.
    pub sizes: serde_json::Value,
    /// The call itself.
    pub run: Call,
}

#[derive(Serialize)]
struct Timed {
    name: &'static str,
    pass: &'static str,
    sizes: serde_json::Value,
    /// Seconds, the median.
    seconds: f64,
    /// The shortest and the longest.
    range: [f64; 2],
    calls: usize,
    /// Of what the call computed first; see [`inputs::check`].
    check: f64,
}

#[derive(Serialize)]
struct Report {
    device: String,
    software: bool,
    calls: Vec<Timed>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match bench(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(3)
        }
    }
}

fn bench(args: &Args) -> Result<()> {
    let context = Context::new()?;
    let info = context.info();
    let device = format!("{}, {} {}", info.name, info.driver, info.driver_info);
    let large = args.large || !context.is_software();
    if !args.json {
        println!("{device}");
    }
    if !args.json && !args.kernels {
        println!(
            "{:<24} {:<9} {:>12} {:>12} {:>12} {:>6}",
            "workload", "pass", "median ms", "least ms", "most ms", "calls"
        );
    }
    let mut report = Report { device, software: context.is_software(), calls: vec![] };
    let makers = layers::ALL.iter().chain(akorn::ALL);
    for make in makers {
        // Made one after the other: the large ones would not fit side by side.
        for workload in make(&context, large, args.filter.as_deref().unwrap_or(""))? {
            if args.kernels {
                kernels(&context, workload)?;
                continue;
            }
            let timed = time(&context, workload, args)?;
            if !args.json {
                let [least, most] = timed.range.map(|t| t * 1e3);
                println!(
                    "{:<24} {:<9} {:>12.3} {least:>12.3} {most:>12.3} {:>6}  {}",
                    timed.name,
                    timed.pass,
                    timed.seconds * 1e3,
                    timed.calls,
                    timed.sizes
                );
            }
            report.calls.push(timed);
            context.trim();
        }
    }
    if args.json {
        println!("{}", serde_json::json!(report));
    }
    Ok(())
}

/// Prints the device's time of one call, after some that compile and let the clock of a GPU settle, by kernels.
fn kernels(context: &Context, mut workload: Workload) -> Result<()> {
    let begin = Instant::now();
    loop {
        once(context, &mut workload)?;
        if context.is_software() || begin.elapsed() > Duration::from_millis(200) {
            break;
        }
    }
    let (_, profile) = Tape::profile(context, &mut workload.run)?;
    println!("{} {} {}\n{profile}", workload.name, workload.pass, workload.sizes);
    Ok(())
}

/// One call, and how long it takes until the device is done.
fn once(context: &Context, workload: &mut Workload) -> Result<Duration> {
    let start = Instant::now();
    let mut tape = Tape::new(context);
    // Kept until the clock has been read: giving memory back is not part of a call.
    let _value = (workload.run)(&mut tape)?;
    tape.submit()?;
    context.wait()?;
    Ok(start.elapsed())
}

/// Calls at most.
const MOST: usize = 1000;

fn time(context: &Context, mut workload: Workload, args: &Args) -> Result<Timed> {
    let mut tape = Tape::new(context);
    let value = (workload.run)(&mut tape)?;
    let check = inputs::check(&tape.backend().read(&value)?);
    drop((tape, value));
    let mut times = Vec::new();
    let begin = Instant::now();
    // Two more calls fill the pool and the bind groups.
    let warm = if args.quick { 0 } else { 2 };
    for call in 0..MOST {
        let took = once(context, &mut workload)?;
        if call >= warm {
            times.push(took);
        }
        let enough = times.len() >= 3 && begin.elapsed() > Duration::from_secs_f64(args.seconds);
        if enough || args.quick {
            break;
        }
    }
    times.sort();
    let seconds = |at: usize| times[at].as_secs_f64();
    Ok(Timed {
        name: workload.name,
        pass: workload.pass,
        sizes: workload.sizes,
        seconds: seconds(times.len() / 2),
        range: [seconds(0), seconds(times.len() - 1)],
        calls: times.len(),
        check,
    })
}
