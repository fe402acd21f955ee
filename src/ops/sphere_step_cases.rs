//! Cases of [`super::SphereStep`]: every rotation, projection on and off, both layouts, every variant.

use super::{Rotation, SphereStep, StepOptions, Variant};
use crate::kernel::DType;
use crate::ops::spec::{Case, Fill, Op as _};
use crate::ops::unit_norm_law;

struct Row {
    shape: &'static [usize],
    options: StepOptions,
    label: &'static str,
    x: Option<Fill>,
    y: Fill,
}

fn row(shape: &'static [usize], options: StepOptions) -> Row {
    Row { shape, options, label: "", x: None, y: Fill::Between(-2.0, 2.0) }
}

fn case(row: Row, variant: Variant) -> Option<Case> {
    let mut op = SphereStep::new(row.shape, &row.options).ok()?;
    if !variant.fits(&op.at) {
        return None;
    }
    op.variant = Some(variant);
    let at = op.at;
    let (options, rotation) = (row.options, row.options.rotation);
    let mut fills = vec![row.x.unwrap_or(Fill::Unit(at)), row.y, Fill::Between(0.25, 0.5)];
    if rotation.has_frequencies() {
        fills.push(Fill::Between(0.125, 1.0));
    }
    let projection = if options.projection { "" } else { " unprojected" };
    let label = format!("{:?} axis {} n {} {rotation:?}{projection}{}", row.shape, options.axis, options.n, row.label);
    let mut case = Case::new(label, op.clone(), fills).oscillators(at).law("unit norm", unit_norm_law);
    if options.projection && rotation != Rotation::Identity && row.label.is_empty() {
        case = case.law("x . x' > 0", forward_law);
    }
    let name = match variant {
        Variant::Plain => "plain",
        Variant::Registers => "reg",
        Variant::Four => "four",
    };
    let small = op.inputs().iter().map(|p| p.len()).sum::<usize>() <= 64;
    let case = if small && variant == Variant::Plain && row.label.is_empty() { case.ladder() } else { case };
    Some(case.variant(name))
}

/// A projected step turns by less than 90 degrees: `x . x' = 1 / |v| > 0`.
fn forward_law(inputs: &[Vec<f64>], outputs: &[Vec<f64>], case: &Case, _: DType) -> f64 {
    let Some(at) = case.oscillators else { return f64::NAN };
    let backward = (0..at.count()).any(|i| {
        let (x, d) = (at.gather(&inputs[0], i), at.gather(&outputs[0], i));
        x.iter().zip(&d).map(|(x, d)| x * d).sum::<f64>().partial_cmp(&0.0) != Some(std::cmp::Ordering::Greater)
    });
    if backward { f64::INFINITY } else { 0.0 }
}

fn rows() -> Vec<Row> {
    use Rotation::{Global, Identity, PerPair};
    let at = StepOptions::new;
    let unprojected = |n, axis| StepOptions { projection: false, ..at(n, axis) };
    let mut rows = vec![
        row(&[0, 4, 3, 3], at(2, 1)),
        row(&[1, 2, 1, 1], at(2, 1)),
        row(&[2, 4, 1, 2], at(2, 1).rotation(PerPair)),
        row(&[1, 4, 1, 2], at(4, 1).rotation(Global)),
        row(&[1, 2, 6], at(3, 2)),
        row(&[1, 3, 2], at(2, 2).rotation(Identity)),
        row(&[2, 4, 2], unprojected(4, 1).rotation(PerPair)),
        row(&[1, 2, 4], unprojected(2, 2)),
        row(&[2, 6, 3, 5], at(3, 1).rotation(Identity)),
        row(&[3, 8, 7, 9], at(4, 1).rotation(PerPair)),
        row(&[1, 8, 65], at(8, 1).rotation(Global)),
        row(&[2, 63, 32], at(16, 2).rotation(PerPair)),
        row(&[2, 129, 10], at(5, 2)),
        row(&[1, 3, 66], at(33, 2)),
        row(&[1, 40, 7], at(20, 1).rotation(Global)),
        // Past one tile of the scalars' kernel.
        row(&[3, 4, 31, 13], at(2, 1).rotation(PerPair)),
        row(&[1, 1100, 4], unprojected(2, 2).rotation(Global)),
        // Fours: one, two, and past one tile of the forward and the scalars' kernels.
        row(&[2, 4, 4], at(2, 1).rotation(PerPair)),
        row(&[1, 4, 2, 4], unprojected(4, 1).rotation(Global)),
        row(&[2, 6, 8], at(3, 1).rotation(Identity)),
        row(&[3, 16, 4], at(8, 1).rotation(PerPair)),
        row(&[2, 6, 44, 61], at(2, 1).rotation(PerPair)),
        row(&[3, 8, 20, 21], at(4, 1).rotation(Global)),
        row(&[2, 6, 12, 12], unprojected(3, 1)),
        // Long rows of partial sums.
        row(&[1, 20_500, 1], at(2, 1).rotation(Global)),
        // More workgroups than one dimension of a grid has.
        row(&[65_537, 2, 1], at(2, 1)),
    ];
    let edge = |label, x, y| Row { label, x, y, ..row(&[2, 8, 36], at(4, 1)) };
    let axes = SphereStep::new(&[2, 8, 36], &at(4, 1)).ok().map(|op| Fill::Axes(op.at));
    rows.push(edge(" along axes", axes.clone(), Fill::Uniform));
    rows.push(edge(" no drive", None, Fill::Zero));
    rows.push(edge(" mixed drive", None, Fill::Mixed(30)));
    rows.push(edge(" integers along axes", axes, Fill::Integers));
    rows
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for variant in [Variant::Plain, Variant::Registers, Variant::Four] {
        cases.extend(rows().into_iter().filter_map(|row| case(row, variant)));
        for n in [2, 4] {
            let options = StepOptions::new(n, 1).rotation(Rotation::PerPair);
            cases.extend(case(row(&[16, 64, 32, 32], options), variant).map(Case::bench));
        }
    }
    cases
}
