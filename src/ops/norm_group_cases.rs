//! Cases of [`super::NormGroup`]: with and without weight and bias, positions by fours and not.

use super::{NormGroup, Variant};
use crate::ops::rows::Affine;
use crate::ops::spec::{Case, Fill};

/// A case; of [`Variant::Row`] where `shape` has positions by fours.
fn case(shape: &[usize], groups: usize, label: &str, affine: Affine, fill: Fill) -> Option<Case> {
    // A ladder's steps are small beside a large eps.
    let eps = if label.contains("ladder") { 1e-2 } else { 1e-5 };
    let op = NormGroup::new(shape, groups, eps, affine).ok()?;
    let mut fills = vec![Fill::Uniform; 1 + affine.count()];
    fills[0] = fill;
    let variant = if op.variant == Variant::Row { "row" } else { "plain" };
    Some(Case::new(format!("{shape:?} groups {groups}{label}"), op, fills).variant(variant))
}

/// The same case with the plain kernels.
fn plain(case: Option<Case>, shape: &[usize], groups: usize, affine: Affine) -> Option<Case> {
    let op = NormGroup { variant: Variant::Plain, ..NormGroup::new(shape, groups, 1e-5, affine).ok()? };
    Some(Case { op: Box::new(op), ..case?.variant("plain") })
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (affine, label) in Affine::all() {
        let sizes: [(&[usize], usize); 15] = [
            (&[0, 4, 3], 2),
            (&[2, 4, 0], 2),
            (&[1, 1, 1], 1),
            (&[3, 6], 2),
            (&[2, 6, 3, 7], 3),
            (&[2, 5, 13], 1),
            (&[1, 4, 65], 4),
            (&[2, 6, 1025], 2),
            // By fours: no samples, one quad, channels that end between two rounds of a workgroup, several rounds of one
            // channel, and a group too long for one workgroup.
            (&[0, 4, 4], 2),
            (&[1, 1, 4], 1),
            (&[3, 6, 4], 2),
            (&[2, 12, 2, 6], 3),
            (&[2, 6, 100], 2),
            (&[1, 4, 1028], 2),
            (&[1, 2, 8196], 1),
        ];
        cases.extend(sizes.iter().filter_map(|(s, groups)| case(s, *groups, label, affine, Fill::Uniform)));
        for inner in [3, 4] {
            let ladder = case(&[2, 4, inner], 2, &format!("{label} ladder"), affine, Fill::Uniform);
            cases.extend(ladder.map(Case::ladder));
        }
    }
    let [(affine, _), _] = Affine::all();
    for (label, fill) in [
        (" mixed scales", Fill::Mixed(20)),
        (" constant", Fill::Values(vec![3.7])),
        (" zero", Fill::Zero),
        (" one element", Fill::OneHot),
        (" large mean", Fill::Between(1000.0, 1000.01)),
    ] {
        for shape in [[2, 6, 35], [2, 6, 36]] {
            cases.extend(case(&shape, 3, label, affine, fill.clone()));
        }
    }
    cases.extend(case(&[2, 5, 1], 5, " single elements", affine, Fill::Uniform));
    let (shape, groups) = ([16, 64, 32, 32], 16);
    let large = || case(&shape, groups, "", affine, Fill::Uniform).map(Case::bench);
    cases.extend(large());
    cases.extend(plain(large(), &shape, groups, affine));
    cases
}
