//! Cases of [`super::NormGroup`]: with and without weight and bias, positions by fours and not.

use super::{NormGroup, Variant, choose};
use crate::ops::rows::Affine;
use crate::ops::spec::{Case, Fill};

/// The case with each of the kernels that devices choose for it: those of a software driver, and those of a GPU.
fn variants(shape: &[usize], groups: usize, label: &str, affine: Affine, fill: &Fill) -> Vec<Case> {
    let Ok(op) = NormGroup::new(shape, groups, 1e-5, affine) else { return vec![] };
    let mut chosen = vec![choose(&op.at, true), choose(&op.at, false)];
    chosen.dedup();
    chosen.into_iter().filter_map(|variant| case(shape, groups, label, affine, fill.clone(), variant)).collect()
}

fn case(shape: &[usize], groups: usize, label: &str, affine: Affine, fill: Fill, variant: Variant) -> Option<Case> {
    // A ladder's steps are small beside a large eps.
    let eps = if label.contains("ladder") { 1e-2 } else { 1e-5 };
    let op = NormGroup { variant: Some(variant), ..NormGroup::new(shape, groups, eps, affine).ok()? };
    let mut fills = vec![Fill::Uniform; 1 + affine.count()];
    fills[0] = fill;
    let name = match variant {
        Variant::Plain => "plain",
        Variant::Row => "row",
        Variant::Registers => "reg",
    };
    Some(Case::new(format!("{shape:?} groups {groups}{label}"), op, fills).variant(name))
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (affine, label) in Affine::all() {
        let sizes: [(&[usize], usize); 17] = [
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
            // Rounds that lie in one channel: one each, and two each that do not fill the registers.
            (&[2, 4, 256], 2),
            (&[2, 3, 512], 1),
        ];
        cases.extend(sizes.iter().flat_map(|(s, groups)| variants(s, *groups, label, affine, &Fill::Uniform)));
        for inner in [3, 4] {
            let ladder = variants(&[2, 4, inner], 2, &format!("{label} ladder"), affine, &Fill::Uniform);
            cases.extend(ladder.into_iter().map(Case::ladder));
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
            cases.extend(variants(&shape, 3, label, affine, &fill));
        }
    }
    cases.extend(variants(&[2, 5, 1], 5, " single elements", affine, &Fill::Uniform));
    for (groups, variant) in [(16, Variant::Row), (16, Variant::Plain), (32, Variant::Row), (32, Variant::Registers)] {
        let large = case(&[16, 64, 32, 32], groups, "", affine, Fill::Uniform, variant);
        cases.extend(large.map(Case::bench));
    }
    cases
}
