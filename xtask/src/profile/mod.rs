//! `cargo xtask profile`: what each kernel costs on a device, by its own clock, beside what the device can do.

mod base;
pub(crate) mod ceilings;
mod record;
pub(crate) mod steady;
mod table;
mod timing;
mod trace;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use kuramoto::conformance::{self, Options};
use kuramoto::ops::spec::{Case, OpSpec};
use kuramoto::{Context, DType, ErrorKind};
use serde::Serialize;

use crate::adapter::{self, AdapterArgs};
use crate::failure::{Failure, Result};
use crate::inputs::dtypes;
use crate::pictures::{Point, Roofline, write_roofline};
use crate::progress::Progress;
use crate::{glob, output, root, say};
use ceilings::Ceilings;
use timing::{Effort, Timed};
use trace::Trace;

/// Flags of the command.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Times of the host mean something in an optimised build only, so this command builds itself with \
optimisations and runs that, unless it is told not to (`--as-built`)."
)]
pub struct Args {
    /// Only cases whose `op/variant/dtype/case` matches; `*` stands for anything, an op's name alone for all its cases
    #[arg(long, value_name = "GLOB")]
    filter: Option<String>,
    /// Repeat each case for so long, and five times at least
    #[arg(long, value_name = "S", default_value_t = 0.5)]
    seconds: f64,
    /// Write the cases' times as JSON to FILE, `-` for standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draw speed over operations for a byte, under the measured ceilings, as an SVG to FILE
    #[arg(long, value_name = "FILE")]
    roofline: Option<PathBuf>,
    /// Write recordings and dispatches as a trace to FILE; open it in Perfetto or chrome://tracing
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Also build this commit, branch or tag, profile both in turns, and compare
    #[arg(long, value_name = "REF")]
    base: Option<String>,
    /// With --base: fail if a pass takes more than R times as long
    #[arg(long, value_name = "R", requires = "base")]
    max_slowdown: Option<f64>,
    /// Write a CSV below FOLDER, by adapter and date [default folder: benches/record of this repository]
    #[arg(long, value_name = "FOLDER", num_args = 0..=1, require_equals = true)]
    record: Option<Option<PathBuf>>,
    /// Run this program as it was built, also without optimisations
    #[arg(long)]
    as_built: bool,
    #[command(flatten)]
    adapter: AdapterArgs,
}

/// All that was measured.
#[derive(Serialize)]
struct Report {
    device: String,
    /// Whether the adapter is a driver on the processor.
    software: bool,
    version: String,
    /// Of the day, in UTC.
    date: String,
    build: String,
    ceilings: Ceilings,
    /// Microseconds of the host for a dispatch in a loop of many steps, recorded and submitted.
    step_loop_us: f64,
    /// Ops that failed conformance in this run and were not timed.
    refused: Vec<String>,
    /// Variants that this device cannot run, with the reason.
    absent: Vec<String>,
    cases: Vec<Timed>,
}

const OPTIMISED: &str = "optimised";

/// Runs the command.
pub fn run(args: &Args) -> Result {
    if !(args.seconds.is_finite() && args.seconds >= 0.0) {
        return Err(Failure::usage("--seconds: a number of at least 0"));
    }
    let context = args.adapter.context()?;
    let filter = args.filter.as_deref().map(glob::of_rows);
    let cases = selected(filter.as_deref(), &context)?;
    if cfg!(debug_assertions) && !args.as_built {
        drop(context);
        return optimised();
    }
    let base = match &args.base {
        Some(reference) => Some(base::run(reference, filter.as_deref(), args.seconds, &context.info().name)?),
        None => None,
    };
    let (report, trace) = profile(&context, cases, Effort { seconds: args.seconds })?;
    if args.json.as_deref() != Some(Path::new("-")) {
        table::head(&report);
        table::print(&report);
        report.absent.iter().for_each(|line| say!("not timed: {line}"));
    }
    if let Some(path) = &args.json {
        output::write_json(path, &report)?;
    }
    if let Some(path) = &args.trace {
        output::write_text(path, &trace.text())?;
    }
    if let Some(path) = &args.roofline {
        write_roofline(path, &roofline(&report))?;
    }
    if let Some(folder) = &args.record {
        let folder = folder.clone().unwrap_or_else(|| root::root().join("benches/record"));
        let path = record::write(&folder, &report)?;
        eprintln!("recorded in {}", path.display());
    }
    if let (Some(compared), Some(reference)) = (base, &args.base) {
        base::print(&compared, reference, args.max_slowdown)?;
    }
    if report.refused.is_empty() {
        return Ok(());
    }
    Err(Failure::check(format!("not timed, since they failed conformance: {}", report.refused.join(", "))))
}

/// The passes that both move bytes and compute.
fn roofline(report: &Report) -> Roofline {
    let mut points = Vec::new();
    for timed in &report.cases {
        for (name, median_us, pass) in table::passes(timed) {
            if pass.bytes > 0 && pass.flops > 0 && median_us > 0.0 {
                points.push(Point {
                    name: timed.op.clone(),
                    intensity: pass.flops as f64 / pass.bytes as f64,
                    gflop_s: pass.flops as f64 / (median_us * 1e3),
                    ring: name == "backward",
                });
            }
        }
    }
    let Ceilings { copy_gb_s, peak_gflop_s } = report.ceilings;
    let title = format!("{}: copy {copy_gb_s:.1} GB/s, multiply-add {peak_gflop_s:.0} GFLOP/s", report.device);
    Roofline { title, copy_gb_s, peak_gflop_s, points }
}

/// This very command in an optimised build.
fn optimised() -> Result {
    eprintln!("building with optimisations; the first time takes minutes");
    let mut cargo = Command::new("cargo");
    cargo.args(["run", "--quiet", "--release", "--package", "xtask", "--"]).args(std::env::args_os().skip(1));
    let status = cargo.current_dir(root::root()).env_remove("CARGO_MANIFEST_DIR").status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::child(status)),
        Err(why) => Err(Failure::check(format!("cargo cannot be run: {why}; `--as-built` does without"))),
    }
}

/// A case to time.
struct Selected {
    op: &'static OpSpec,
    name: String,
    dtype: DType,
    case: Rc<Case>,
}

fn selected(filter: Option<&str>, context: &Context) -> Result<Vec<Selected>> {
    let mut cases = Vec::new();
    for op in kuramoto::ops::ALL {
        for case in (op.cases)().into_iter().filter(|case| case.bench).map(Rc::new) {
            for dtype in dtypes(case.op.dtype(), adapter::dtypes(context)) {
                let name = format!("{}/{}/{dtype}/{}", op.name, case.variant, case.label);
                if filter.is_none_or(|pattern| glob::matches(pattern, &name)) {
                    cases.push(Selected { op, name, dtype, case: case.clone() });
                }
            }
        }
    }
    if cases.is_empty() {
        let filter = filter.unwrap_or("*");
        return Err(Failure::usage(format!("no case matches `{filter}`; the pattern is for `op/variant/dtype/case`")));
    }
    Ok(cases)
}

fn profile(context: &Context, cases: Vec<Selected>, effort: Effort) -> Result<(Report, Trace)> {
    let info = context.info();
    let mut report = Report {
        device: format!("{}, {}", info.name, adapter::driver(info)),
        software: context.is_software(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        date: time::OffsetDateTime::now_utc().date().to_string(),
        build: if cfg!(debug_assertions) { "unoptimised".to_owned() } else { OPTIMISED.to_owned() },
        ceilings: Ceilings::measure(context)?,
        step_loop_us: timing::step_loop(context)?,
        refused: vec![],
        absent: vec![],
        cases: vec![],
    };
    let mut trace = Trace::default();
    let total = cases.len();
    let mut progress = Progress::new("profile", total);
    let mut judged = "";
    for (i, selected) in cases.into_iter().enumerate() {
        let Selected { op, name, dtype, case } = selected;
        progress.at(i, total, &name);
        if judged != op.name {
            judged = op.name;
            // A speed is never reported of a kernel that computes something else.
            let options = Options { filter: Some(format!("{}/*", op.name)), full: false };
            let verdict =
                conformance::run(context, &options, &mut |_| progress.at(i, total, &format!("{judged}: conformance")))?;
            if verdict.failed() > 0 {
                report.refused.push(format!("{} ({} rows)", op.name, verdict.failed()));
            }
        }
        let is_refused = report.refused.iter().any(|refused| refused.starts_with(&format!("{} (", op.name)));
        if !is_refused {
            match timing::time(context, &case, dtype, op.differentiable, effort, &mut trace) {
                Ok(timed) => report.cases.push(timed),
                Err(error) if error.kind() == ErrorKind::Feature => {
                    let line = format!("{}/{}/{dtype}: {error}", op.name, case.variant);
                    if !report.absent.contains(&line) {
                        report.absent.push(line);
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        context.trim();
    }
    Ok((report, trace))
}

#[cfg(test)]
mod tests {
    use super::timing::Pass;
    use super::*;

    pub(super) fn timed(op: &str, forward_us: f64, backward_us: f64) -> Timed {
        let pass = Pass { spread: 0.05, repeats: 5, dispatches: 1, bytes: 4_000_000, flops: 1_000_000 };
        Timed {
            op: op.to_owned(),
            variant: "plain".to_owned(),
            dtype: "f32".to_owned(),
            case: "[2, 3]".to_owned(),
            forward_us,
            backward_us: Some(backward_us),
            forward: Some(pass),
            backward: Some(pass),
            host_us: Some(1.5),
        }
    }

    pub(super) fn report() -> Report {
        Report {
            device: "a device, driver 1.2".to_owned(),
            software: true,
            version: "0.0.0".to_owned(),
            date: "2026-01-02".to_owned(),
            build: OPTIMISED.to_owned(),
            ceilings: Ceilings { copy_gb_s: 50.0, peak_gflop_s: 100.0 },
            step_loop_us: 2.0,
            refused: vec![],
            absent: vec![],
            cases: vec![timed("scale", 100.0, 300.0)],
        }
    }
}
