//! `cargo xtask profile`: what each kernel costs on a device, by its own clock.

use std::path::PathBuf;
use std::rc::Rc;

use kuramoto::ops::spec::Case;
use kuramoto::{Commands, Context, DType, Profile, Result as Lib, Tape, Var};
use serde::Serialize;

use crate::adapter::{self, AdapterArgs};
use crate::failure::{Failure, Result};
use crate::inputs::{Numbers, dtypes};
use crate::progress::Progress;
use crate::{glob, output, say};

/// Flags of the command.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Only cases whose `op/variant/dtype/case` matches; `*` stands for anything
    #[arg(long, value_name = "GLOB")]
    filter: Option<String>,
    /// Write the cases' times as JSON to FILE, `-` for standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write every dispatch as a Chrome trace to FILE; open it in Perfetto or chrome://tracing
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    #[command(flatten)]
    adapter: AdapterArgs,
}

/// Times of one case; the median over [`REPEATS`] runs of the sum over its dispatches.
#[derive(Serialize)]
struct Timed {
    op: &'static str,
    variant: &'static str,
    dtype: String,
    case: String,
    forward_us: f64,
    /// Absent for an op without a backward pass.
    backward_us: Option<f64>,
}

#[derive(Serialize)]
struct Report {
    device: String,
    cases: Vec<Timed>,
}

/// Runs of each case, after one that warms up.
const REPEATS: usize = 5;

/// Runs the command.
pub fn run(args: &Args) -> Result {
    let context = args.adapter.context()?;
    let mut cases = Vec::new();
    for op in kuramoto::ops::ALL {
        for case in (op.cases)().into_iter().filter(|case| case.bench).map(Rc::new) {
            for dtype in dtypes(case.op.dtype(), adapter::dtypes(&context)) {
                let name = format!("{}/{}/{dtype}/{}", op.name, case.variant, case.label);
                if args.filter.as_deref().is_none_or(|pattern| glob::matches(pattern, &name)) {
                    cases.push((op, name, dtype, case.clone()));
                }
            }
        }
    }
    if cases.is_empty() {
        let filter = args.filter.as_deref().unwrap_or("*");
        return Err(Failure::usage(format!("no case matches `{filter}`; the pattern is for `op/variant/dtype/case`")));
    }
    let mut progress = Progress::new("profile", cases.len());
    let total = cases.len();
    let (mut all, mut report) = (Profile::default(), Report { device: String::new(), cases: vec![] });
    for (i, (op, name, dtype, case)) in cases.into_iter().enumerate() {
        progress.at(i, total, &name);
        report.cases.push(time(&context, &case, dtype, op.differentiable, &mut all)?);
        context.trim();
    }
    drop(progress);
    report.device = all.device.clone();
    if args.json.as_deref() != Some(std::path::Path::new("-")) {
        say!("{}", all.to_string().trim_end());
        print(&report);
    }
    if let Some(path) = &args.json {
        output::write_json(path, &report)?;
    }
    if let Some(path) = &args.trace {
        output::write_text(path, &all.chrome_trace())?;
    }
    Ok(())
}

/// Profiles `case` and appends its dispatches to `all`.
fn time(context: &Context, case: &Case, dtype: DType, differentiable: bool, all: &mut Profile) -> Result<Timed> {
    once(context, case, dtype, differentiable)?;
    let (mut forward, mut backward) = (Vec::new(), Vec::new());
    for _ in 0..REPEATS {
        let (split, mut profile) = once(context, case, dtype, differentiable)?;
        let sum = |spans: &[kuramoto::Span]| spans.iter().fold(0.0, |sum, s| sum + s.nanos) / 1e3;
        forward.push(sum(&profile.spans[..split]));
        backward.push(sum(&profile.spans[split..]));
        // Each profile counts from its own first dispatch; in the trace they follow each other.
        let offset = all.spans.last().map_or(0.0, |s| s.start_nanos + s.nanos);
        profile.spans.iter_mut().for_each(|s| s.start_nanos += offset);
        all.device = profile.device;
        all.spans.append(&mut profile.spans);
    }
    Ok(Timed {
        op: case.op.name(),
        variant: case.variant,
        dtype: dtype.to_string(),
        case: case.label.clone(),
        forward_us: median(forward),
        backward_us: differentiable.then(|| median(backward)),
    })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// One run, and how many of its dispatches are the forward pass.
fn once(context: &Context, case: &Case, dtype: DType, differentiable: bool) -> Lib<(usize, Profile)> {
    context.profile(|commands| {
        // A tape owns its recording, a profile lends its own: it goes into the tape and comes back.
        let placeholder = context.commands();
        let recording = std::mem::replace(commands, placeholder);
        let (recording, split) = record(context, recording, case, dtype, differentiable)?;
        *commands = recording;
        Ok(split)
    })
}

fn record(
    context: &Context,
    recording: Commands,
    case: &Case,
    dtype: DType,
    differentiable: bool,
) -> Lib<(Commands, usize)> {
    let mut numbers = Numbers::new(1);
    let mut tape = Tape::from_commands(recording);
    let mut leaves: Vec<Var> = Vec::new();
    for (port, fill) in case.op.inputs().iter().zip(&case.fills) {
        let spec = port.spec(dtype);
        let value = tape.upload(&numbers.fill(port, fill), &spec.shape, spec.dtype)?;
        leaves.push(tape.leaf(value));
    }
    let before = context.counters().dispatches;
    let outputs = case.op.apply(&mut tape, &leaves)?;
    let split = (context.counters().dispatches - before) as usize;
    if differentiable {
        let mut cotangents = Vec::new();
        for output in outputs {
            let spec = tape.spec(output)?;
            let data: Vec<f32> = (0..spec.len()).map(|_| numbers.signed()).collect();
            cotangents.push((output, tape.upload(&data, &spec.shape, spec.dtype)?));
        }
        tape.vjp(&cotangents)?;
    }
    let recording = tape.into_commands();
    Ok((recording.unwrap_or_else(|| context.commands()), split))
}

fn print(report: &Report) {
    say!("");
    say!("{:<20} {:<10} {:<5} {:>12} {:>12}  case", "op", "variant", "dtype", "forward µs", "backward µs");
    for t in &report.cases {
        let backward = t.backward_us.map_or("-".to_owned(), |us| format!("{us:.1}"));
        say!("{:<20} {:<10} {:<5} {:>12.1} {backward:>12}  {}", t.op, t.variant, t.dtype, t.forward_us, t.case);
    }
}
