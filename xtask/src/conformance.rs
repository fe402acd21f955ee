//! `cargo xtask conformance`: judges a device.

mod html;

use std::path::PathBuf;

use kuramoto::conformance::{self, Options, Outcome, Report, Row};
use serde::Serialize;

use crate::adapter::AdapterArgs;
use crate::failure::{Failure, Result};
use crate::progress::Progress;
use crate::{glob, output, say};

/// Flags of the command.
#[derive(clap::Args, Debug, Default)]
pub struct Args {
    /// Only rows whose `op/variant/dtype/case` matches; `*` stands for anything, an op's name alone for all its rows
    #[arg(long, value_name = "GLOB")]
    pub filter: Option<String>,
    /// Write all rows as JSON to FILE, `-` for standard output
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write a page for people to FILE
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// The large cases of the benches too
    #[arg(long)]
    pub full: bool,
    #[command(flatten)]
    pub adapter: AdapterArgs,
}

/// The file that `--json` writes; others read it, so its fields stay.
#[derive(Serialize)]
struct File<'a> {
    adapter: &'a str,
    driver: &'a str,
    passed: usize,
    failed: usize,
    skipped: usize,
    rows: Vec<FileRow<'a>>,
}

#[derive(Serialize)]
struct FileRow<'a> {
    op: &'a str,
    variant: &'a str,
    dtype: String,
    case: &'a str,
    what: &'a str,
    /// Absent for a row that was skipped; the reason says why.
    pass: Option<bool>,
    ratio: f64,
    calibrated: f64,
    reason: &'a str,
}

/// Runs the command.
pub fn run(args: &Args) -> Result {
    let context = args.adapter.context()?;
    let options = Options { filter: args.filter.as_deref().map(glob::of_rows), full: args.full };
    let mut progress = Progress::new("conformance", 0);
    let report = conformance::run(&context, &options, &mut |p| progress.at(p.done, p.total, p.label))?;
    drop(progress);
    if report.rows.is_empty() {
        let filter = args.filter.as_deref().unwrap_or("*");
        return Err(Failure::usage(format!("no row matches `{filter}`; the pattern is for `op/variant/dtype/case`")));
    }
    if let Some(path) = &args.html {
        output::write_text(path, &html::page(&report, &groups(&report)))?;
    }
    let to_stdout = args.json.as_deref() == Some(std::path::Path::new("-"));
    if let Some(path) = &args.json {
        output::write_json(path, &file(&report))?;
    }
    if !to_stdout {
        print(&report);
    }
    match report.failed() {
        0 => Ok(()),
        failed => Err(Failure::check(format!("{failed} of {} rows failed", report.rows.len()))),
    }
}

fn file(report: &Report) -> File<'_> {
    File {
        adapter: &report.adapter,
        driver: &report.driver,
        passed: report.passed(),
        failed: report.failed(),
        skipped: report.skipped(),
        rows: report.rows.iter().map(file_row).collect(),
    }
}

fn file_row(row: &Row) -> FileRow<'_> {
    FileRow {
        op: row.op,
        variant: row.variant,
        dtype: row.dtype.to_string(),
        case: &row.case,
        what: &row.what,
        pass: match row.outcome {
            Outcome::Pass => Some(true),
            Outcome::Fail => Some(false),
            Outcome::Skip => None,
        },
        ratio: row.ratio,
        calibrated: row.calibrated,
        reason: &row.reason,
    }
}

/// The rows of one op, variant and storage type.
struct Group<'a> {
    op: &'static str,
    variant: &'static str,
    dtype: String,
    rows: Vec<&'a Row>,
}

impl Group<'_> {
    /// The worst ratio of the rows that ran, by `of`; NaN if there is one, since it says that nothing was bounded.
    fn worst(&self, of: fn(&Row) -> f64) -> f64 {
        let ran = self.rows.iter().filter(|row| row.outcome != Outcome::Skip);
        ran.map(|row| of(row)).fold(0.0, |worst: f64, r| if r.is_nan() { r } else { worst.max(r) })
    }

    fn count(&self, outcome: Outcome) -> usize {
        self.rows.iter().filter(|row| row.outcome == outcome).count()
    }
}

fn groups(report: &Report) -> Vec<Group<'_>> {
    let mut groups: Vec<Group> = Vec::new();
    for row in &report.rows {
        let dtype = row.dtype.to_string();
        match groups.iter_mut().find(|g| g.op == row.op && g.variant == row.variant && g.dtype == dtype) {
            Some(group) => group.rows.push(row),
            None => groups.push(Group { op: row.op, variant: row.variant, dtype, rows: vec![row] }),
        }
    }
    groups
}

fn print(report: &Report) {
    say!("{}, {}", report.adapter, report.driver);
    say!(
        "{:<24} {:<10} {:<5} {:>6} {:>9} {:>10} {:>7} {:>6}",
        "op",
        "variant",
        "dtype",
        "rows",
        "ratio",
        "calibrated",
        "skipped",
        "failed"
    );
    for group in groups(report) {
        say!(
            "{:<24} {:<10} {:<5} {:>6} {:>9.3} {:>10.3} {:>7} {:>6}",
            group.op,
            group.variant,
            group.dtype,
            group.rows.len(),
            group.worst(|row| row.ratio),
            group.worst(|row| row.calibrated),
            group.count(Outcome::Skip),
            group.count(Outcome::Fail)
        );
    }
    for row in report.rows.iter().filter(|row| row.outcome == Outcome::Fail) {
        let Row { op, variant, dtype, case, what, ratio, calibrated, reason, .. } = row;
        say!("failed: {op}/{variant}/{dtype}/{case}: {what}: ratio {ratio:.3}, calibrated {calibrated:.3}; {reason}");
    }
    say!("{} passed, {} failed, {} skipped", report.passed(), report.failed(), report.skipped());
    let mut reasons: Vec<&str> = Vec::new();
    for row in report.rows.iter().filter(|row| row.outcome == Outcome::Skip) {
        if !reasons.contains(&row.reason.as_str()) {
            reasons.push(&row.reason);
        }
    }
    for reason in reasons {
        say!("skipped because: {reason}");
    }
}
