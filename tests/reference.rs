//! The references' gradients in f64, without a device: the ladder of [`kuramoto::conformance::ladder`], and controls
//! that it can fail.

use kuramoto::conformance::ladder;
use kuramoto::ops;

#[test]
fn every_differentiable_op_climbs_the_ladder() {
    let mut climbed = Vec::new();
    for op in ops::ALL.iter().filter(|op| op.differentiable) {
        for case in (op.cases)().iter().filter(|case| case.ladder) {
            for rung in ladder(case, &|_| ()) {
                assert!(rung.ratio <= 1.0, "{} {}: {}: ratio {}", op.name, case.label, rung.what, rung.ratio);
            }
            climbed.push(op.name);
        }
        assert!(climbed.contains(&op.name), "{} has no case for the ladder", op.name);
    }
}

/// Scaling the largest gradient by 1 + 1e-4 must fail both rungs that see the backward pass.
#[test]
fn a_gradient_off_by_one_part_in_ten_thousand_fails() {
    let mut tried = 0;
    for op in ops::ALL.iter().filter(|op| op.differentiable) {
        for case in (op.cases)().iter().filter(|c| c.ladder && !c.op.inputs()[0].is_empty()) {
            let rungs = ladder(case, &|gradients: &mut Vec<Vec<f64>>| {
                let largest = gradients.iter_mut().flatten().max_by(|a, b| a.abs().total_cmp(&b.abs()));
                if let Some(value) = largest {
                    *value *= 1.0 + 1e-4;
                }
            });
            for rung in rungs.iter().take(2) {
                assert!(rung.ratio > 1.0, "{} {}: {} let it pass", op.name, case.label, rung.what);
            }
            tried += 1;
        }
    }
    assert!(tried > 10);
}

/// A missing gradient is not a small one.
#[test]
fn a_missing_gradient_fails() {
    let case = (ops::dot::SPEC.cases)().into_iter().find(|c| c.ladder && !c.op.inputs()[0].is_empty());
    let case = case.expect("dot has a case for the ladder");
    let rungs = ladder(&case, &|gradients: &mut Vec<Vec<f64>>| {
        gradients.pop();
    });
    assert!(rungs[0].ratio > 1.0);
}
