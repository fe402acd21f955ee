//! Results of record: a file for each adapter and day, kept in the repository.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;

use super::Report;
use super::table::{Rates, passes};
use crate::failure::{Failure, Result};
use crate::{output, root};

/// A line of the file; `benches/README.md` explains the columns.
#[derive(Serialize)]
struct Line<'a> {
    commit: &'a str,
    version: &'a str,
    build: &'a str,
    device: &'a str,
    copy_gb_s: f64,
    peak_gflop_s: f64,
    op: &'a str,
    variant: &'a str,
    dtype: &'a str,
    case: &'a str,
    pass: &'a str,
    median_us: f64,
    spread: f64,
    repeats: usize,
    dispatches: usize,
    bytes: u64,
    flops: u64,
    gb_s: f64,
    gflop_s: f64,
    of_roofline: f64,
    host_us: Option<f64>,
    step_loop_us: f64,
}

/// Writes `folder/<adapter>/<date>.csv`, in place of one of the same day, and returns where.
pub fn write(folder: &Path, report: &Report) -> Result<PathBuf> {
    let path = folder.join(slug(&report.device)).join(format!("{}.csv", report.date));
    output::write_file(&path, &csv(report, &commit())?)?;
    Ok(path)
}

fn csv(report: &Report, commit: &str) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let cannot = |why: &dyn std::fmt::Display| Failure::check(format!("CSV: {why}"));
    for timed in &report.cases {
        for (name, median_us, pass) in passes(timed) {
            let rates = Rates::new(median_us, &pass, &report.ceilings);
            let line = Line {
                commit,
                version: &report.version,
                build: &report.build,
                device: &report.device,
                copy_gb_s: rounded(report.ceilings.copy_gb_s),
                peak_gflop_s: rounded(report.ceilings.peak_gflop_s),
                op: &timed.op,
                variant: &timed.variant,
                dtype: &timed.dtype,
                case: &timed.case,
                pass: name,
                median_us: rounded(median_us),
                spread: rounded(pass.spread),
                repeats: pass.repeats,
                dispatches: pass.dispatches,
                bytes: pass.bytes,
                flops: pass.flops,
                gb_s: rounded(rates.gb_s),
                gflop_s: rounded(rates.gflop_s),
                of_roofline: rounded(rates.of_roofline),
                host_us: timed.host_us.filter(|_| name == "forward").map(rounded),
                step_loop_us: rounded(report.step_loop_us),
            };
            writer.serialize(line).map_err(|why| cannot(&why))?;
        }
    }
    writer.into_inner().map_err(|why| cannot(&why))
}

/// Four digits: no clock tells more.
fn rounded(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

/// The adapter and its driver as the name of a folder.
pub fn slug(device: &str) -> String {
    let mut slug = String::new();
    for c in device.to_lowercase().chars() {
        match c {
            'a'..='z' | '0'..='9' => slug.push(c),
            // A version's point; never a name that leads out of the folder.
            '.' if slug.ends_with(|c: char| c.is_ascii_digit()) => slug.push(c),
            _ if slug.ends_with('-') || slug.is_empty() => {}
            _ => slug.push('-'),
        }
    }
    slug.trim_end_matches(['-', '.']).to_owned()
}

/// The commit that was measured, with a `+` where files differ from it; `unknown` outside of a repository.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).current_dir(root::root()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    match (git(&["rev-parse", "--short", "HEAD"]), git(&["status", "--porcelain"])) {
        (Some(commit), Some(changes)) => format!("{commit}{}", if changes.is_empty() { "" } else { "+" }),
        _ => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::report;
    use super::*;

    #[test]
    fn names_of_folders_are_plain() {
        assert_eq!(slug("NVIDIA H200, NVIDIA 570.86"), "nvidia-h200-nvidia-570.86");
        assert_eq!(slug("llvmpipe (LLVM 15.0.6, 256 bits)"), "llvmpipe-llvm-15.0.6-256-bits");
        assert_eq!(slug("../..//x"), "x");
    }

    #[test]
    fn a_file_has_a_line_for_each_pass_and_quotes_what_holds_commas() {
        let text = String::from_utf8(csv(&report(), "abc123+").unwrap()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines[0].starts_with("commit,version,build,device,copy_gb_s"));
        assert!(lines[1].contains("\"[2, 3]\",forward,100.0,0.05,"), "{}", lines[1]);
        assert!(lines[2].contains("backward,300.0"), "{}", lines[2]);
    }
}
