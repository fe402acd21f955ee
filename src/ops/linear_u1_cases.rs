//! Cases of [`super::LinearU1`]: tokens and images, every variant.

use super::{LinearU1, Variant};
use crate::ops::spec::{Case, Fill};

fn case(x: &[usize], rows: usize, axis: usize, variant: Variant, label: &str, fill: Fill) -> Option<Case> {
    let channels = x.get(axis)?;
    let mut op = LinearU1::new(x, &[rows, channels / 2], axis).ok()?;
    op.variant = variant;
    let name = match variant {
        Variant::Plain => "plain",
        Variant::Registers => "reg",
    };
    let label = format!("{x:?} axis {axis} to {rows} neurons{label}");
    Some(Case::new(label, op, vec![fill; 3]).linear().variant(name))
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for variant in [Variant::Plain, Variant::Registers] {
        let mut add = |x: &[usize], rows, axis, label: &str, fill| {
            cases.extend(case(x, rows, axis, variant, label, fill));
        };
        add(&[0, 4, 5], 3, 1, "", Fill::Uniform);
        add(&[2, 0, 5], 3, 1, "", Fill::Uniform);
        add(&[2, 4, 5], 0, 1, "", Fill::Uniform);
        add(&[1, 2], 1, 1, "", Fill::Uniform);
        add(&[9, 16], 8, 1, "", Fill::Uniform);
        add(&[3, 18, 65], 5, 1, "", Fill::Uniform);
        add(&[2, 7, 12], 10, 2, "", Fill::Uniform);
        add(&[2, 10, 3, 7], 9, 1, "", Fill::Uniform);
        // Two blocks of columns, several tiles of the gradients' first stage.
        add(&[2, 6, 301], 7, 1, "", Fill::Uniform);
        add(&[4, 10, 5], 6, 1, " mixed scales", Fill::Mixed(20));
        add(&[4, 10, 5], 6, 1, " one nonzero", Fill::OneHot);
        cases.extend(case(&[2, 4, 3], 2, 1, variant, " ladder", Fill::Uniform).map(Case::ladder));
        cases.extend(case(&[256, 64], 32, 1, variant, "", Fill::Uniform).map(Case::bench));
        cases.extend(case(&[648, 128], 192, 1, variant, "", Fill::Uniform).map(Case::bench));
    }
    cases
}
