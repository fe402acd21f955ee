//! Cases of the coupling on a lattice.

use std::f64::consts::PI;

use super::{Boundary, CoupleLattice};
use crate::ops::spec::{Case, Fill};

fn case(theta: [usize; 3], own_base: bool, stencil: [usize; 2], boundary: Boundary, name: &str) -> Option<Case> {
    let base = if own_base { theta.to_vec() } else { theta[1..].to_vec() };
    let op = CoupleLattice::new(&theta, &base, &stencil, boundary).ok()?;
    let label = format!("theta {theta:?} base {base:?} weights {stencil:?} {boundary:?}{name}");
    let circle = Fill::Between(-PI, PI);
    Some(Case::new(label, op, vec![circle, Fill::Uniform, Fill::Uniform, Fill::Between(0.5, 2.0), Fill::Uniform]))
}

fn filled(case: Case, fills: &[(usize, Fill)]) -> Case {
    let mut case = case;
    for (at, fill) in fills {
        case.fills[*at] = fill.clone();
    }
    case
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for boundary in [Boundary::Periodic, Boundary::Open] {
        cases.extend(case([0, 4, 5], false, [3, 3], boundary, ""));
        cases.extend(case([2, 0, 5], false, [3, 3], boundary, ""));
        cases.extend(case([2, 3, 0], true, [1, 3], boundary, ""));
        cases.extend(case([1, 1, 1], true, [1, 1], boundary, ""));
        // Both neighbours along an axis are the same place, if it is periodic.
        cases.extend(case([3, 2, 2], false, [3, 3], boundary, ""));
        cases.extend(case([2, 1, 64], true, [1, 5], boundary, ""));
        cases.extend(case([2, 65, 1], false, [7, 1], boundary, ""));
        cases.extend(case([3, 7, 9], true, [5, 3], boundary, ""));
        cases.extend(case([2, 4, 3], false, [7, 5], boundary, ", as far as it goes around"));
        cases.extend(case([5, 33, 31], false, [3, 3], boundary, ", two tiles of places"));
        cases.extend(case([2, 2, 3], false, [3, 3], boundary, " ladder").map(Case::ladder));
        cases.extend(case([1, 3, 2], true, [1, 3], boundary, " ladder").map(Case::ladder));
        cases.extend(case([4, 256, 256], false, [3, 3], boundary, "").map(Case::bench));
        let corners = vec![0.0, -0.0, 1e-6, 0.25 * PI, -0.25 * PI, 0.5 * PI, -0.5 * PI, 0.75 * PI, PI, -PI, 2.0 * PI];
        let corners = [(0, Fill::Values(corners)), (4, Fill::Zero)];
        cases.extend(case([2, 6, 7], false, [3, 3], boundary, ", corners").map(|c| filled(c, &corners)));
        let far = [(0, Fill::Between(-3000.0, 3000.0))];
        cases.extend(case([2, 6, 7], false, [3, 3], boundary, ", far").map(|c| filled(c, &far)));
        let mixed = [0, 1, 2, 3].map(|at| (at, Fill::Mixed(10)));
        cases.extend(case([2, 6, 7], true, [3, 3], boundary, ", mixed scales").map(|c| filled(c, &mixed)));
    }
    cases
}
