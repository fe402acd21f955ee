//! The references' own gradients, in f64 and without a device.
//!
//! 1. against exact derivatives by dual numbers, the whole Jacobian by columns (1e-12);
//! 2. `<J v, w> = <v, Jᵀ w>` for random `v`, `w` (1e-12);
//! 3. dual numbers against fourth-order central differences (1e-8), so that a slip shared by a reference and its
//!    dual evaluation does not pass.

use super::inputs::{Random, fill};
use crate::cpu::Dual;
use crate::kernel::DType;
use crate::ops::spec::{AnyOp, Case};

/// One rung of one case.
#[derive(Clone, Debug, PartialEq)]
pub struct Rung {
    /// Which comparison.
    pub what: &'static str,
    /// The largest relative error divided by what is allowed.
    pub ratio: f64,
}

/// How many random directions and cotangents are tried.
const TRIALS: usize = 16;

/// Step of the central differences; their error is about `h^4` plus `1e-16 / h`.
const STEP: f64 = 1e-3;

/// Climbs the ladder for `case`. `tamper` may change what the reference's backward pass returns: a test of this
/// function passes a fault, everybody else passes `&|_| ()`.
pub fn ladder(case: &Case, tamper: &dyn Fn(&mut Vec<Vec<f64>>)) -> Vec<Rung> {
    let op = case.op.as_ref();
    let mut random = Random::keyed(&format!("ladder {} {}", op.name(), case.label));
    let inputs: Vec<Vec<f64>> =
        op.inputs().iter().zip(&case.fills).map(|(port, f)| fill(port, f, DType::F32, &mut random)).collect();
    let columns = jacobian(op, &inputs);
    let (mut by_columns, mut by_dots, mut by_differences) = (Worst::default(), Worst::default(), Worst::default());
    for _ in 0..TRIALS {
        let w = random_like(&op.outputs().iter().map(|p| p.len()).collect::<Vec<_>>(), &mut random);
        let mut v = random_like(&inputs.iter().map(Vec::len).collect::<Vec<_>>(), &mut random);
        let mut found = op.value_vjp(&views(&inputs), &views(&w));
        tamper(&mut found);
        // Indices and labels stay where they are.
        for (k, port) in op.inputs().iter().enumerate().filter(|(_, port)| !port.is_real()) {
            v[k].fill(0.0);
            found[k] = vec![0.0; port.len()];
        }
        let found: Vec<f64> = found.concat();
        let flat_w: Vec<f64> = w.concat();
        for (got, column) in found.iter().zip(&columns) {
            let size: f64 = column.iter().zip(&flat_w).map(|(j, w)| (j * w).abs()).sum();
            by_columns.see(got - dot(column, &flat_w), size);
        }
        if found.len() != columns.len() {
            by_columns.see(f64::INFINITY, 1.0);
        }
        let tangent = directional(op, &inputs, &v);
        let (left, right) = (dot(&tangent, &flat_w), dot(&v.concat(), &found));
        let size: f64 = v.concat().iter().zip(&found).map(|(v, g)| (v * g).abs()).sum();
        by_dots.see(left - right, size);
        let differences = central(op, &inputs, &v);
        let largest = |values: &[f64]| values.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        // Differences of values of size |f| carry their rounding, 2^-52 |f| / h, times the weights' sum of 1.5.
        let rounding = 1.5 * f64::EPSILON * largest(&op.value(&views(&inputs)).concat()) / STEP;
        let size = largest(&tangent).max(1e-3) + rounding / 1e-8;
        for (exact, estimate) in tangent.iter().zip(&differences) {
            by_differences.see(exact - estimate, size);
        }
    }
    vec![
        Rung { what: "ladder: dual numbers", ratio: by_columns.0 / 1e-12 },
        Rung { what: "ladder: transpose", ratio: by_dots.0 / 1e-12 },
        Rung { what: "ladder: central differences", ratio: by_differences.0 / 1e-8 },
    ]
}

/// The largest relative error seen.
#[derive(Default)]
struct Worst(f64);

impl Worst {
    fn see(&mut self, error: f64, size: f64) {
        let relative = if error == 0.0 { 0.0 } else { error.abs() / size };
        if relative.is_nan() || relative > self.0 {
            self.0 = if relative.is_nan() { f64::INFINITY } else { relative };
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn views(data: &[Vec<f64>]) -> Vec<&[f64]> {
    data.iter().map(Vec::as_slice).collect()
}

fn random_like(lengths: &[usize], random: &mut Random) -> Vec<Vec<f64>> {
    lengths.iter().map(|len| (0..*len).map(|_| random.signed()).collect()).collect()
}

/// `J v`, all outputs concatenated.
pub(super) fn directional(op: &dyn AnyOp, inputs: &[Vec<f64>], v: &[Vec<f64>]) -> Vec<f64> {
    let duals: Vec<Vec<Dual>> = inputs
        .iter()
        .zip(v)
        .map(|(x, v)| x.iter().zip(v).map(|(x, v)| Dual { value: *x, tangent: *v }).collect())
        .collect();
    let slices: Vec<&[Dual]> = duals.iter().map(Vec::as_slice).collect();
    op.dual(&slices).concat().iter().map(|d| d.tangent).collect()
}

/// One column `d outputs / d input_e` per input element.
fn jacobian(op: &dyn AnyOp, inputs: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let mut columns = Vec::new();
    for (k, input) in inputs.iter().enumerate() {
        for e in 0..input.len() {
            let mut v: Vec<Vec<f64>> = inputs.iter().map(|x| vec![0.0; x.len()]).collect();
            v[k][e] = 1.0;
            columns.push(directional(op, inputs, &v));
        }
    }
    columns
}

/// `J v` by fourth-order central differences.
fn central(op: &dyn AnyOp, inputs: &[Vec<f64>], v: &[Vec<f64>]) -> Vec<f64> {
    let at = |steps: f64| -> Vec<f64> {
        let moved: Vec<Vec<f64>> =
            inputs.iter().zip(v).map(|(x, v)| x.iter().zip(v).map(|(x, v)| x + steps * STEP * v).collect()).collect();
        op.value(&views(&moved)).concat()
    };
    let (a, b, c, d) = (at(-2.0), at(-1.0), at(1.0), at(2.0));
    (0..a.len()).map(|i| (a[i] - 8.0 * b[i] + 8.0 * c[i] - d[i]) / (12.0 * STEP)).collect()
}
