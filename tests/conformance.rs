//! Every op, variant, storage type and case on this machine's adapter.

#![cfg(feature = "gpu")]

use std::collections::BTreeMap;
use std::fmt::Write;

use kuramoto::Context;
use kuramoto::conformance::{Options, Outcome, Report, run};

/// The worst calibrated ratio per op, variant and storage type that software drivers have shown. A kernel that loses
/// accuracy stays within its bound for a while; past twice its line it needs a reviewed change of this file.
const RATCHET: &str = include_str!("ratchet.txt");

fn worst(report: &Report) -> BTreeMap<String, f64> {
    let mut worst = BTreeMap::new();
    // Gates that count faults are zero or fail; the ladder's ratios are about f64, not about the device.
    let values = report.rows.iter().filter(|r| r.outcome == Outcome::Pass && !r.what.starts_with("ladder"));
    for row in values {
        let entry = worst.entry(format!("{}/{}/{}", row.op, row.variant, row.dtype)).or_insert(0.0f64);
        *entry = entry.max(row.calibrated);
    }
    worst
}

fn check_ratchet(report: &Report) {
    let recorded: BTreeMap<&str, f64> = RATCHET
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(key, ratio)| (key, ratio.parse().expect("a ratio at the end of the line")))
        .collect();
    let mut faults = String::new();
    let mut table = String::new();
    for (key, ratio) in worst(report) {
        let _ = writeln!(table, "{key} {ratio:.3}");
        match recorded.get(key.as_str()) {
            None => _ = writeln!(faults, "{key} has no line"),
            // Exact results have ratio 0 everywhere; below a hundredth of the bound nothing is lost.
            Some(limit) if ratio > 2.0 * limit.max(0.01) => {
                _ = writeln!(faults, "{key}: worst ratio {ratio:.3}, recorded {limit:.3}");
            }
            Some(_) => {}
        }
    }
    assert!(faults.is_empty(), "{faults}\ntests/ratchet.txt would now read:\n{table}");
}

#[test]
fn every_op_conforms_on_the_default_adapter() {
    let context = Context::new().expect("conformance needs an adapter; `cargo xtask doctor` tells what is missing");
    println!("{context:?}");
    let report = run(&context, &Options::default(), &mut |_| ()).expect("the device survives the run");
    let failed: Vec<String> = report
        .rows
        .iter()
        .filter(|row| row.outcome == Outcome::Fail)
        .map(|r| {
            format!(
                "{}/{}/{}/{}: {}: ratio {:.3} ({:.3}): {}",
                r.op, r.variant, r.dtype, r.case, r.what, r.ratio, r.calibrated, r.reason
            )
        })
        .collect();
    assert!(failed.is_empty(), "{} of {} rows failed:\n{}", failed.len(), report.rows.len(), failed.join("\n"));
    assert!(report.passed() > 500, "only {} rows ran", report.passed());
    for row in report.rows.iter().filter(|row| row.outcome == Outcome::Skip) {
        assert!(!row.reason.is_empty(), "{} was skipped without a reason", row.op);
    }
    if context.is_software() {
        check_ratchet(&report);
    }
}
