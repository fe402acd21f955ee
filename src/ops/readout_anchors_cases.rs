//! Cases of [`super::ReadoutAnchors`]: masks, powers, anchors on and off the sphere, sizes up to 32 components and 64
//! channels. 64 components are left out: Mesa 22.3.6 takes many seconds to compile each of the backward kernels.

use super::{AnchorReadout, ReadoutAnchors};
use crate::cpu::Oscillators;
use crate::kernel::DType;
use crate::ops::spec::{Case, Fill};

struct Row {
    v: [usize; 3],
    anchors: [usize; 3],
    lengths: &'static [f64],
    causal: bool,
    power: u32,
    /// How far anchors reach in each component; 0 puts them on the sphere.
    reach: f64,
    /// Of the oscillators, where they are not on the sphere.
    x: Option<Fill>,
    values: Fill,
    label: &'static str,
    finish: fn(Case) -> Case,
}

fn row(v: [usize; 3], anchors: [usize; 3], causal: bool, power: u32) -> Row {
    let values = Fill::Between(-2.0, 2.0);
    Row { v, anchors, lengths: &[], causal, power, reach: 0.0, x: None, values, label: "", finish: |case| case }
}

fn case(row: Row, separated: bool) -> Option<Case> {
    let Row { v, anchors, lengths, causal, power, reach, x, values, label, finish } = row;
    // Separated sums are another function where the clamp works.
    if separated && (power != 1 || reach > 1.0) {
        return None;
    }
    let options = AnchorReadout { causal, power, separated };
    let op = ReadoutAnchors::new(&v, &anchors, !lengths.is_empty(), &options).ok()?;
    let [batch, tokens, _] = v;
    let [heads, positions, n] = anchors;
    let unit = |samples, count| Oscillators { samples, groups: 1, outer: count, n, inner: 1 };
    let x = x.unwrap_or(Fill::Unit(unit(batch, batch * heads * tokens)));
    let a = match reach {
        // Well within the sphere: what f16 rounds off unit vectors may put the clamp to work, and then the two differ.
        _ if separated => Fill::Between(-0.8 / (n as f64).sqrt(), 0.8 / (n as f64).sqrt()),
        0.0 => Fill::Unit(unit(heads, heads * positions)),
        reach => Fill::Between(-reach, reach),
    };
    let seen = if causal { " causal" } else { "" };
    let padded = if lengths.is_empty() { String::new() } else { format!(" lengths {lengths:?}") };
    let name = format!("{v:?} anchors {anchors:?} p {power}{seen}{padded}{label}");
    let mut fills = vec![x, values, a];
    fills.extend((!lengths.is_empty()).then(|| Fill::Values(lengths.to_vec())));
    let case = finish(Case::new(name, op, fills));
    Some(if separated { case.variant("prefix") } else { case })
}

/// The weights of a row sum to one: with all values 1 so is every result. Both sums have the same terms, in one order, and
/// what is left rounds: the reciprocal, the product, the storage; the separated sums differ by the roundings of both.
fn ones_law(_: &[Vec<f64>], outputs: &[Vec<f64>], case: &Case, dtype: DType) -> f64 {
    let terms = if case.variant == "prefix" { 32.0 } else { 4.0 };
    let allowed = if dtype == DType::F16 { f64::powi(2.0, -10) } else { terms * f64::powi(2.0, -23) };
    let ratios = outputs[0].iter().map(|v| (v - 1.0).abs() / allowed);
    ratios.fold(0.0, |worst, r| if r > worst || r.is_nan() { r } else { worst })
}

/// Two heads of three tokens, the first of each zero: it sees one key, so its likeness has no gradient, and only where that
/// is 1 does rounding in f64 leave none either.
fn first_queries_zero() -> Fill {
    Fill::Values(vec![0.0, 0.0, 0.6, 0.8, -0.8, 0.6, 0.0, 0.0, 0.28, 0.96, 0.96, -0.28])
}

fn rows() -> Vec<Row> {
    let ones = |causal, power| Row {
        values: Fill::Values(vec![1.0]),
        label: " ones",
        finish: |case| case.law("rows sum to one", ones_law),
        ..row([1, 9, 6], [2, 9, 2], causal, power)
    };
    let small = |row: Row| Row { label: " ladder", finish: Case::ladder, ..row };
    vec![
        row([0, 3, 4], [1, 3, 2], false, 1),
        row([2, 0, 4], [2, 3, 2], false, 1),
        row([1, 1, 1], [1, 1, 2], true, 1),
        Row { lengths: &[3.0, 0.0], ..row([2, 5, 6], [2, 7, 2], true, 1) },
        Row { lengths: &[5.0, 2.0], ..row([2, 5, 9], [3, 5, 4], false, 2) },
        row([2, 4, 20], [2, 6, 8], false, 4),
        row([1, 6, 50], [2, 6, 16], true, 1),
        row([1, 3, 60], [1, 3, 2], true, 3),
        row([2, 3, 7], [1, 4, 32], false, 1),
        // More tokens than a workgroup has invocations.
        row([1, 67, 6], [2, 67, 2], true, 1),
        Row { lengths: &[66.0], ..row([1, 67, 6], [2, 140, 2], false, 2) },
        // Anchors that have drifted off the sphere: many weights are zero.
        Row { reach: 3.0, label: " drifted", ..row([2, 6, 6], [1, 6, 2], false, 1) },
        Row { reach: 3.0, label: " drifted", ..row([2, 6, 6], [1, 6, 2], true, 4) },
        Row { values: Fill::Mixed(6), label: " mixed scales", ..row([1, 5, 8], [1, 5, 2], false, 1) },
        Row { values: Fill::Zero, label: " no values", ..row([1, 5, 8], [1, 5, 2], false, 2) },
        ones(false, 1),
        ones(true, 4),
        Row { reach: 0.6, x: Some(first_queries_zero()), ..small(row([1, 3, 4], [2, 4, 2], true, 1)) },
        Row { lengths: &[2.0, 3.0], ..small(row([2, 3, 2], [1, 3, 2], false, 2)) },
        Row { reach: 0.8, ..small(row([1, 5, 2], [1, 5, 4], false, 4)) },
        Row { finish: Case::bench, ..row([16, 128, 128], [4, 128, 8], true, 1) },
    ]
}

pub(super) fn cases() -> Vec<Case> {
    let plain = rows().into_iter().filter_map(|row| case(row, false));
    plain.chain(rows().into_iter().filter_map(|row| case(row, true))).collect()
}
