//! Every op, variant, storage type and case on this machine's adapter.

use kuramoto::Context;
use kuramoto::conformance::{Options, Outcome, run};

#[test]
fn every_op_conforms_on_the_default_adapter() {
    let context = Context::new().expect("conformance needs an adapter; `cargo xtask doctor` tells what is missing");
    println!("{:?}", context);
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
}
