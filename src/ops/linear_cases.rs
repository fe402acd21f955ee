//! Cases of [`super::Linear`]: tokens and images, with and without a bias and an addend, every variant.

use super::{Linear, Variant};
use crate::ops::spec::{Case, Fill, Op as _};

/// A label that ends in `plus` is that of a map with an addend.
fn case(
    x: &[usize],
    rows: usize,
    biased: bool,
    axis: usize,
    variant: Variant,
    label: &str,
    fill: Fill,
) -> Option<Case> {
    let depth = x.get(axis)?;
    let mut op = Linear::new(x, &[rows, *depth], biased, axis).ok()?;
    op.variant = Some(variant);
    if label.ends_with("plus") {
        op = op.with_addend();
    }
    let fills = vec![fill; op.inputs().len()];
    let bias = if biased { "" } else { " no bias" };
    Some(Case::new(format!("{x:?} axis {axis} to {rows}{bias}{label}"), op, fills).linear().variant(variant.name()))
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for variant in Variant::ALL {
        let mut add = |x: &[usize], rows, biased, axis, label: &str, fill| {
            cases.extend(case(x, rows, biased, axis, variant, label, fill));
        };
        add(&[0, 3, 5], 4, true, 1, "", Fill::Uniform);
        add(&[2, 0, 5], 4, true, 1, "", Fill::Uniform);
        add(&[2, 3, 5], 0, true, 1, "", Fill::Uniform);
        add(&[1, 1], 1, true, 1, "", Fill::Uniform);
        add(&[9, 8], 8, true, 1, "", Fill::Uniform);
        add(&[3, 17, 65], 9, true, 1, "", Fill::Uniform);
        add(&[2, 7, 12], 10, false, 2, "", Fill::Uniform);
        add(&[2, 5, 3, 7], 19, true, 1, "", Fill::Uniform);
        add(&[2, 3, 11, 4], 6, true, 2, "", Fill::Uniform);
        // Two blocks of columns, several tiles of the gradients' first stage.
        add(&[2, 6, 301], 7, true, 1, "", Fill::Uniform);
        // Two workgroups that stage, in both directions.
        add(&[1, 66, 67], 70, true, 1, "", Fill::Uniform);
        add(&[65, 9], 67, true, 1, "", Fill::Uniform);
        // Several blocks of cooperative matrices, and sums that are cut into parts.
        add(&[11, 40, 103], 150, true, 1, "", Fill::Uniform);
        add(&[4, 9, 5], 12, true, 1, " mixed scales", Fill::Mixed(20));
        add(&[4, 9, 5], 12, true, 1, " one nonzero", Fill::OneHot);
        add(&[2, 0, 5], 4, true, 1, " plus", Fill::Uniform);
        add(&[3, 17, 65], 9, true, 1, " plus", Fill::Uniform);
        add(&[2, 7, 12], 10, false, 2, " plus", Fill::Uniform);
        add(&[1, 66, 67], 70, true, 1, " plus", Fill::Uniform);
        add(&[4, 9, 5], 12, true, 1, " mixed scales, plus", Fill::Mixed(20));
        cases.extend(case(&[2, 2, 3], 2, true, 1, variant, " ladder", Fill::Uniform).map(Case::ladder));
        cases.extend(case(&[2, 2, 3], 2, true, 1, variant, " ladder plus", Fill::Uniform).map(Case::ladder));
        cases.extend(case(&[8, 64, 81], 192, true, 1, variant, "", Fill::Uniform).map(Case::bench));
        cases.extend(case(&[648, 64], 192, true, 1, variant, "", Fill::Uniform).map(Case::bench));
    }
    cases
}
