//! Cases of [`super::Conv2d`]: strides, padding, even and rectangular kernels, addends, every variant.

use super::{Conv2d, ConvOptions, Variant};
use crate::ops::spec::{Case, Fill, Op as _};

/// A label that ends in `plus` is that of a convolution with an addend.
struct Row {
    x: [usize; 4],
    w: [usize; 4],
    options: ConvOptions,
    biased: bool,
    label: &'static str,
    fill: Fill,
}

fn row(x: [usize; 4], w: [usize; 4], stride: [usize; 2], padding: [usize; 2]) -> Row {
    Row { x, w, options: ConvOptions { stride, padding }, biased: true, label: "", fill: Fill::Uniform }
}

fn case(row: Row, variant: Variant) -> Option<Case> {
    let Row { x, w, options, biased, label, fill } = row;
    let mut op = Conv2d::new(&x, &w, biased, &options).ok()?;
    op.variant = Some(variant);
    if label.ends_with("plus") {
        op = op.with_addend();
    }
    let fills = vec![fill; op.inputs().len()];
    let bias = if biased { "" } else { " no bias" };
    let ConvOptions { stride, padding } = options;
    let label = format!("x {x:?} w {w:?} stride {stride:?} padding {padding:?}{bias}{label}");
    Some(Case::new(label, op, fills).linear().variant(variant.name()))
}

fn rows() -> Vec<Row> {
    let edge = |label, fill| Row { label, fill, ..row([2, 3, 6, 5], [3, 3, 3, 2], [2, 1], [1, 1]) };
    vec![
        row([0, 2, 3, 3], [2, 2, 3, 3], [1, 1], [1, 1]),
        row([2, 0, 3, 3], [2, 0, 3, 3], [1, 1], [1, 1]),
        row([2, 2, 3, 3], [0, 2, 3, 3], [1, 1], [1, 1]),
        row([1, 1, 1, 1], [1, 1, 1, 1], [1, 1], [0, 0]),
        row([1, 1, 2, 2], [2, 1, 5, 5], [1, 1], [2, 2]),
        row([2, 4, 5, 7], [9, 4, 3, 3], [1, 1], [1, 1]),
        // Patches: even kernels, each pixel read once.
        row([2, 3, 8, 12], [8, 3, 4, 4], [4, 4], [0, 0]),
        Row { biased: false, ..row([1, 3, 9, 7], [5, 3, 2, 3], [2, 1], [0, 1]) },
        // Transitions; the last column is read by no output.
        row([1, 10, 7, 8], [4, 10, 3, 3], [2, 2], [1, 1]),
        row([1, 2, 9, 10], [3, 2, 2, 1], [3, 4], [1, 0]),
        // More padding than the kernel is long: whole outputs of bias alone.
        row([1, 2, 3, 4], [2, 2, 1, 2], [2, 3], [3, 2]),
        row([2, 2, 3, 4], [2, 2, 1, 2], [1, 1], [3, 2]),
        // Two workgroups of pixels, several tiles of the gradients' first stage.
        row([3, 2, 13, 17], [3, 2, 3, 1], [1, 1], [1, 0]),
        // Two workgroups of channels that stage, in both directions.
        row([1, 66, 3, 3], [65, 66, 2, 1], [2, 1], [1, 0]),
        // Several blocks of cooperative matrices.
        row([2, 40, 9, 9], [130, 40, 3, 2], [1, 1], [1, 1]),
        Row { label: " plus", ..row([2, 4, 5, 7], [9, 4, 3, 3], [1, 1], [1, 1]) },
        Row { label: " plus", biased: false, ..row([1, 10, 7, 8], [4, 10, 3, 3], [2, 2], [1, 1]) },
        Row { label: " plus", ..row([1, 2, 2, 3], [0, 2, 1, 1], [1, 1], [0, 0]) },
        // The same in the other direction, and sums over pixels that are cut into parts of several samples.
        row([3, 130, 13, 14], [5, 130, 2, 3], [1, 1], [1, 1]),
        edge(" mixed scales", Fill::Mixed(20)),
        edge(" one nonzero", Fill::OneHot),
    ]
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for variant in Variant::ALL {
        // Cooperative matrices take strides of 1 only.
        let runs = |row: &Row| variant != Variant::Cooperative || row.options.stride == [1, 1];
        cases.extend(rows().into_iter().filter(runs).filter_map(|row| case(row, variant)));
        let stride = if variant == Variant::Cooperative { [1, 1] } else { [2, 1] };
        let small = Row { label: " ladder", ..row([1, 2, 3, 4], [1, 2, 2, 3], stride, [1, 1]) };
        cases.extend(case(small, variant).map(Case::ladder));
        let plus = Row { label: " ladder plus", ..row([1, 2, 3, 4], [1, 2, 2, 3], stride, [1, 1]) };
        cases.extend(case(plus, variant).map(Case::ladder));
        for bench in [
            row([16, 16, 16, 16], [16, 16, 3, 3], [1, 1], [1, 1]),
            row([16, 16, 16, 16], [32, 16, 3, 3], [2, 2], [1, 1]),
            row([16, 3, 32, 32], [64, 3, 4, 4], [4, 4], [0, 0]),
        ] {
            cases.extend(Some(bench).filter(runs).and_then(|row| case(row, variant)).map(Case::bench));
        }
    }
    cases
}
