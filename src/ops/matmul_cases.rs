//! Cases of [`super::Matmul`]: operands as they are and transposed, alone and in batches, every variant.

use super::{Matmul, MatmulOptions, Variant};
use crate::ops::spec::{Case, Fill};

/// A product of `[M, K]` and `[K, N]`, in a batch if there is one.
fn case(
    batch: Option<usize>,
    [m, k, n]: [usize; 3],
    turned: [bool; 2],
    variant: Variant,
    label: &str,
    fill: Fill,
) -> Option<Case> {
    let options = MatmulOptions { transpose_a: turned[0], transpose_b: turned[1] };
    let shape = |rows: usize, columns: usize, turn: bool| {
        let matrix = if turn { [columns, rows] } else { [rows, columns] };
        [batch.as_slice(), &matrix].concat()
    };
    let op = Matmul {
        variant: Some(variant),
        ..Matmul::new(&shape(m, k, turned[0]), &shape(k, n, turned[1]), &options).ok()?
    };
    let letter = |turn: bool| if turn { "T" } else { "N" };
    let batch = batch.map(|z| format!("{z} x ")).unwrap_or_default();
    let label = format!("{batch}{m} x {k} x {n} {}{}{label}", letter(turned[0]), letter(turned[1]));
    Some(Case::new(label, op, vec![fill; 2]).linear().variant(variant.name()))
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let ways = [[false, false], [false, true], [true, false], [true, true]];
    for variant in Variant::ALL {
        let mut add = |batch, extents, turned, label: &str, fill| {
            cases.extend(case(batch, extents, turned, variant, label, fill));
        };
        for turned in ways {
            add(Some(3), [9, 5, 17], turned, "", Fill::Uniform);
        }
        for extents in [[0, 3, 2], [2, 0, 3], [1, 1, 1], [1, 7, 12], [8, 8, 8], [65, 3, 63]] {
            add(None, extents, [false, false], "", Fill::Uniform);
        }
        add(Some(0), [2, 3, 2], [false, true], "", Fill::Uniform);
        // More than one workgroup that stages, in both directions.
        add(Some(2), [66, 9, 71], [true, true], "", Fill::Uniform);
        // Several blocks of cooperative matrices in both directions, of either edge.
        add(None, [150, 40, 90], [false, false], "", Fill::Uniform);
        // Two wide workgroups, in the cotangent of b as well.
        add(Some(2), [3, 2, 515], [false, false], "", Fill::Uniform);
        add(None, [12, 2, 515], [true, false], "", Fill::Uniform);
        add(None, [7, 9, 10], [false, true], " mixed scales", Fill::Mixed(20));
        add(None, [7, 9, 10], [false, true], " one nonzero", Fill::OneHot);
        for turned in ways {
            let small = case(Some(2), [2, 3, 2], turned, variant, " ladder", Fill::Uniform);
            cases.extend(small.map(Case::ladder));
        }
        cases.extend(case(None, [256, 256, 256], [false, false], variant, "", Fill::Uniform).map(Case::bench));
        cases.extend(case(Some(16), [81, 64, 81], [false, true], variant, "", Fill::Uniform).map(Case::bench));
    }
    cases
}
