//! The rule by which a computed tensor is the expected one.

use std::collections::BTreeSet;

use serde::Serialize;

use super::file::Golden;
use super::session::Computed;

/// How far a tensor may be off.
#[derive(Clone, Copy, Debug)]
pub struct Tolerance {
    /// Of outputs.
    pub output: f64,
    /// Of gradients.
    pub gradient: f64,
}

impl Tolerance {
    /// Of the f64 references; files hold numbers rounded to f32.
    pub const REFERENCE: Tolerance = Tolerance { output: 1e-6, gradient: 1e-6 };
    /// Of a device that computes in f32.
    pub const DEVICE: Tolerance = Tolerance { output: 2e-5, gradient: 2e-4 };
}

/// One tensor's verdict.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// `out/..` or `grad/..`.
    pub tensor: String,
    /// As [`error`] defines it; NaN where there is nothing to compare.
    pub error: f64,
    /// What it may be.
    pub tolerance: f64,
    /// Whether it is within that.
    pub pass: bool,
    /// Why there was nothing to compare; empty if there was.
    pub reason: String,
}

impl Row {
    /// The error as a multiple of what it may be.
    pub fn ratio(&self) -> f64 {
        if self.error.is_nan() { f64::INFINITY } else { self.error / self.tolerance }
    }
}

/// Outputs of trajectories, which are judged by their largest error, in radians for phases: by case and name, with what it
/// may be. In f64 the scheme's own error and the rounding of the file's numbers are all there is.
const LARGEST: &[(&str, &str, f64)] =
    &[("kuramoto_network", "out/theta", 1e-4), ("kuramoto_network", "out/order_parameter", 1e-5)];

/// A tensor that is expected to be tiny is compared with this share of the usual size.
const FLOOR: f64 = 0.05;

/// Compares all outputs and gradients of the file. A gradient that the file does not have must not be there; an output
/// that it does not have is nobody's business.
pub fn compare(golden: &Golden, computed: &Computed, tolerance: Tolerance) -> Vec<Row> {
    let mut rows = Vec::new();
    for (kind, tolerance) in [("out", tolerance.output), ("grad", tolerance.gradient)] {
        let floor = FLOOR * median(golden.of(kind).map(|(_, numbers)| rms(&numbers.data)).collect());
        let expected = golden.of(kind).map(|(name, _)| format!("{kind}/{name}"));
        let got = computed.keys().filter(|key| kind == "grad" && key.starts_with("grad/")).cloned();
        let names: BTreeSet<String> = expected.chain(got).collect();
        rows.extend(names.into_iter().map(|tensor| {
            let largest = LARGEST.iter().find(|(case, name, _)| *case == golden.case && *name == tensor);
            let tolerance = largest.map_or(tolerance, |(_, _, tolerance)| *tolerance);
            let error = |got: &[f64], expected: &[f64]| match largest {
                Some(_) => got.iter().zip(expected).map(|(got, e)| (got - e).abs()).fold(0.0, nan_or_larger),
                None => error(got, expected, floor),
            };
            let (error, reason) = match (golden.tensors.get(&tensor), computed.get(&tensor)) {
                (Some(expected), Some(got)) if expected.shape == got.shape => {
                    (error(&got.data, &expected.data), String::new())
                }
                (Some(expected), Some(got)) => {
                    (f64::NAN, format!("it is {:?}, the file has {:?}", got.shape, expected.shape))
                }
                (Some(_), None) => (f64::NAN, "it was not computed".into()),
                (None, _) => (f64::NAN, "the file has none".into()),
            };
            Row { pass: error <= tolerance, tensor, error, tolerance, reason }
        }));
    }
    rows
}

/// `RMS(got - expected) / max(RMS(expected), floor)`: some gradients are exactly zero (that of a bias before batch
/// normalisation), and what rounding leaves of them is judged by the size of the others.
pub fn error(got: &[f64], expected: &[f64], floor: f64) -> f64 {
    let off: Vec<f64> = got.iter().zip(expected).map(|(got, expected)| got - expected).collect();
    let off = rms(&off);
    // Equal zeros are equal.
    if off == 0.0 { 0.0 } else { off / rms(expected).max(floor) }
}

/// The larger, NaN if either is.
fn nan_or_larger(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}

fn rms(data: &[f64]) -> f64 {
    let sum: f64 = data.iter().map(|v| v * v).sum();
    (sum / data.len().max(1) as f64).sqrt()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        n if n % 2 == 0 => (values[middle - 1] + values[middle]) / 2.0,
        _ => values[middle],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_relative_down_to_a_floor() {
        assert_eq!(error(&[3.0, 4.0], &[3.0, 4.0], 0.0), 0.0);
        assert!((error(&[1.1, 1.0], &[1.0, 1.0], 0.0) - 0.1 / 2f64.sqrt()).abs() < 1e-12);
        assert!((error(&[1e-9], &[0.0], 1e-3) - 1e-6).abs() < 1e-18);
        assert_eq!(error(&[1e-9], &[0.0], 0.0), f64::INFINITY);
        assert_eq!(error(&[0.0], &[0.0], 0.0), 0.0);
        assert_eq!(error(&[], &[], 0.0), 0.0);
        assert!(error(&[f64::NAN], &[1.0], 0.0).is_nan());
        assert_eq!((median(vec![3.0, 1.0, 2.0]), median(vec![4.0, 1.0, 2.0, 3.0]), median(vec![])), (2.0, 2.5, 0.0));
    }
}
