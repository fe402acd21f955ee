//! `cargo xtask golden`: builds what golden files describe and compares every output and gradient.

mod akorn;
mod attractor;
pub mod compare;
mod equivariant;
pub mod file;
mod fixed_query;
mod network;
pub mod session;
mod solve;
mod torus;

use std::path::{Path, PathBuf};

use kuramoto::weights::{Stored, Weights};
use kuramoto::{Context, Tape};
use serde::Serialize;

use self::compare::{Row, Tolerance, compare};
use self::file::Golden;
use self::session::{Case, Computed, compute};
use crate::adapter::{self, AdapterArgs};
use crate::failure::{Failure, Result};
use crate::progress::Progress;
use crate::{glob, output, say};

/// Flags of the command.
#[derive(clap::Args, Debug, Default)]
pub struct Args {
    /// The folder of the `.safetensors` files
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Only files whose name without ending matches; `*` stands for anything, `,` and `{a,b}` for one of several. May be
    /// given more than once
    #[arg(long, value_name = "GLOB")]
    pub filter: Vec<String>,
    /// Compute with the f64 references, without a device, and demand 1e-6 of every tensor
    #[arg(long)]
    pub reference: bool,
    /// Write all errors as JSON to FILE, `-` for standard output
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write what was computed to OUT under the file's own name, in f32, under the names of the expected tensors
    #[arg(long, value_name = "OUT")]
    pub dump: Option<PathBuf>,
    #[command(flatten)]
    pub adapter: AdapterArgs,
}

/// All kinds of cases that are known.
pub fn cases() -> Vec<Case> {
    let all = [
        akorn::CASES,
        attractor::CASES,
        equivariant::CASES,
        fixed_query::CASES,
        network::CASES,
        solve::CASES,
        torus::CASES,
    ];
    all.concat()
}

/// Where cases are computed.
pub enum Machine {
    /// With the references, on the host.
    Reference,
    /// On a device.
    Device(Context),
}

impl Machine {
    fn tape(&self) -> Tape {
        match self {
            Machine::Reference => Tape::reference(),
            Machine::Device(context) => Tape::new(context),
        }
    }

    fn tolerance(&self) -> Tolerance {
        match self {
            Machine::Reference => Tolerance::REFERENCE,
            Machine::Device(_) => Tolerance::DEVICE,
        }
    }

    fn name(&self) -> String {
        match self {
            Machine::Reference => "f64 reference backend".into(),
            Machine::Device(context) => {
                let info = context.info();
                format!("{}, {}", info.name, adapter::driver(info))
            }
        }
    }
}

/// What became of one file.
#[derive(Serialize)]
pub struct Outcome {
    /// The file's name without its ending.
    pub file: String,
    /// What it says it is; empty if it could not be read.
    pub case: String,
    /// Whether it was computed and every tensor is within its tolerance.
    pub pass: bool,
    /// Why it was not computed.
    pub error: Option<String>,
    /// Every tensor's verdict.
    pub tensors: Vec<Row>,
    #[serde(skip)]
    is_usage: bool,
}

impl Outcome {
    /// The tensor that is nearest to its tolerance, or furthest beyond.
    pub fn worst(&self) -> Option<&Row> {
        self.tensors.iter().max_by(|a, b| a.ratio().total_cmp(&b.ratio()))
    }
}

/// The file that `--json` writes; others read it, so its fields stay.
#[derive(Serialize)]
struct Report<'a> {
    backend: &'a str,
    passed: usize,
    failed: usize,
    files: &'a [Outcome],
}

/// Runs the command.
pub fn run(args: &Args) -> Result {
    let paths = select(&args.folder, &args.filter)?;
    if let Some(out) = &args.dump {
        output::make_folder(out)?;
        if out.canonicalize().ok() == args.folder.canonicalize().ok() {
            return Err(Failure::usage(format!("{}: the dump would replace what it is compared with", out.display())));
        }
    }
    let cases = cases();
    let machine = if args.reference { Machine::Reference } else { Machine::Device(args.adapter.context()?) };
    let name = machine.name();
    let to_stdout = args.json.as_deref() == Some(Path::new("-"));
    if !to_stdout {
        say!("{name}");
    }
    let mut progress = Progress::new("golden", paths.len());
    let mut outcomes: Vec<Outcome> = Vec::new();
    for (i, path) in paths.iter().enumerate() {
        progress.at(i, paths.len(), &stem(path));
        outcomes.push(judge(&cases, &machine, path, args.dump.as_deref()));
        if let Machine::Device(context) = &machine {
            context.trim();
        }
    }
    drop(progress);
    if !to_stdout {
        outcomes.iter().for_each(print);
    }
    let failed = outcomes.iter().filter(|outcome| !outcome.pass).count();
    if let Some(path) = &args.json {
        let report = Report { backend: &name, passed: outcomes.len() - failed, failed, files: &outcomes };
        output::write_json(path, &report)?;
    }
    if !to_stdout {
        say!("{} passed, {failed} failed", outcomes.len() - failed);
    }
    if failed == 0 {
        return Ok(());
    }
    // A file that could not be understood is wrong input; a number that is off is a failed check, and that counts more.
    let message = format!("{failed} of {} files failed", outcomes.len());
    let is_usage = outcomes.iter().filter(|outcome| !outcome.pass).all(|outcome| outcome.is_usage);
    Err(if is_usage { Failure::usage(message) } else { Failure::check(message) })
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// The files of `folder` that match one of the patterns, or all, in order. A pattern that selects nothing is a mistake.
fn select(folder: &Path, filters: &[String]) -> Result<Vec<PathBuf>> {
    let cannot = |why: std::io::Error| Failure::usage(format!("{}: cannot be read ({why})", folder.display()));
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        if path.extension().is_some_and(|e| e == "safetensors") {
            paths.push(path);
        }
    }
    paths.sort();
    let patterns: Vec<String> = filters.iter().flat_map(|filter| glob::alternatives(filter)).collect();
    let fits = |pattern: &str, path: &Path| glob::matches(pattern.trim_end_matches(".safetensors"), &stem(path));
    for pattern in &patterns {
        if !paths.iter().any(|path| fits(pattern, path)) {
            let names: Vec<String> = paths.iter().map(|path| stem(path)).collect();
            let names = names.join(", ");
            return Err(Failure::usage(format!(
                "no file in {} matches `{pattern}`; there are: {names}",
                folder.display()
            )));
        }
    }
    if paths.is_empty() {
        return Err(Failure::usage(format!("{}: there is no .safetensors file", folder.display())));
    }
    paths.retain(|path| patterns.is_empty() || patterns.iter().any(|pattern| fits(pattern, path)));
    Ok(paths)
}

/// Computes the file at `path` as one of `cases` and compares; writes what was computed into the folder `dump`.
pub fn judge(cases: &[Case], machine: &Machine, path: &Path, dump: Option<&Path>) -> Outcome {
    let mut outcome =
        Outcome { file: stem(path), case: String::new(), pass: false, error: None, tensors: vec![], is_usage: false };
    let mut judged = || -> Result {
        let golden = Golden::read(path)?;
        outcome.case = golden.case.clone();
        let computed = compute(cases, machine.tape(), &golden)?;
        outcome.tensors = compare(&golden, &computed, machine.tolerance());
        outcome.pass = outcome.tensors.iter().all(|row| row.pass);
        if let Some(folder) = dump {
            let name = path.file_name().unwrap_or_default();
            write(&golden, &computed, machine, &folder.join(name))?;
        }
        Ok(())
    };
    if let Err(failure) = judged() {
        outcome.pass = false;
        outcome.is_usage = failure.is_usage();
        outcome.error = Some(failure.message().unwrap_or_default().to_owned());
    }
    outcome
}

fn write(golden: &Golden, computed: &Computed, machine: &Machine, path: &Path) -> Result {
    let mut weights = Weights::new();
    weights.metadata = golden.metadata.clone();
    weights.metadata.insert("precision".into(), format!("computed on {}, stored as float32", machine.name()));
    for (name, numbers) in computed {
        let data: Vec<f32> = numbers.data.iter().map(|v| *v as f32).collect();
        weights.insert(name, Stored::from_f32(&data, &numbers.shape)?)?;
    }
    Ok(weights.write(path)?)
}

fn print(outcome: &Outcome) {
    say!("\n{}: {}", outcome.file, if outcome.case.is_empty() { "not a case" } else { &outcome.case });
    if let Some(error) = &outcome.error {
        say!("  FAILED: {error}");
        return;
    }
    let width = outcome.tensors.iter().map(|row| row.tensor.len()).max().unwrap_or(0);
    for row in &outcome.tensors {
        let verdict = match (row.pass, row.reason.as_str()) {
            (true, _) => String::new(),
            (false, "") => "FAILED".into(),
            (false, reason) => format!("FAILED: {reason}"),
        };
        let line = format!("  {:<width$}  {:>9.2e} of {:.0e}  {verdict}", row.tensor, row.error, row.tolerance);
        say!("{}", line.trim_end());
    }
    if let Some(worst) = outcome.worst() {
        let verdict = if outcome.pass { "passed" } else { "FAILED" };
        say!("  worst: {} {:.2e}, {:.2} of its tolerance; {verdict}", worst.tensor, worst.error, worst.ratio());
    }
}
