//! Cases of the coupling by threes.

use std::f64::consts::PI;

use super::CoupleTriangles;
use crate::ops::spec::{Case, Fill};
use crate::ops::triangles::Triangles;

/// Every node of a ring listens to `degree` pairs: a neighbour behind and one ahead.
fn ring(nodes: usize, degree: usize) -> Vec<[usize; 3]> {
    (0..nodes).flat_map(|i| (0..degree).map(move |d| [i, (i + nodes - 1) % nodes, (i + 1 + d) % nodes])).collect()
}

/// All pairs to the first node, and the first node with the next to every other.
fn star(nodes: usize) -> Vec<[usize; 3]> {
    let into = (1..nodes).flat_map(|j| (j + 1..nodes).map(move |k| [0, j, k]));
    into.chain((2..nodes).map(|i| [i, 0, i - 1])).collect()
}

fn case(batch: usize, nodes: usize, own_base: bool, name: &str, list: &[[usize; 3]]) -> Option<Case> {
    let triangles = Triangles::new(nodes, list).ok()?;
    let base = if own_base { vec![batch, nodes] } else { vec![nodes] };
    let op = CoupleTriangles::new(&[batch, nodes], &base, &triangles).ok()?;
    let label = format!("theta {:?} base {base:?} weights [{}] {name}", [batch, nodes], list.len());
    let fills = vec![Fill::Between(-PI, PI), Fill::Uniform, Fill::Uniform, Fill::Between(0.5, 2.0)];
    Some(Case::new(label, op, fills))
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for own_base in [false, true] {
        cases.extend(case(0, 5, own_base, "ring", &ring(5, 2)));
        cases.extend(case(2, 0, own_base, "no nodes", &[]));
        cases.extend(case(1, 1, own_base, "alone", &[]));
        cases.extend(case(2, 6, own_base, "no triangles", &[]));
        cases.extend(case(2, 9, own_base, "one triangle", &[[7, 2, 4]]));
        cases.extend(case(2, 17, own_base, "star", &star(17)));
        cases.extend(case(1, 64, own_base, "ring", &ring(64, 5)));
        cases.extend(case(131, 4, own_base, "two tiles of samples", &ring(4, 2)));
        cases.extend(case(2, 260, own_base, "two tiles of triangles", &ring(260, 17)));
        cases.extend(case(2, 4, own_base, "ladder", &[[0, 1, 2], [1, 0, 2], [3, 2, 0]]).map(Case::ladder));
        cases.extend(case(4, 16384, own_base, "ring", &ring(16384, 8)).map(Case::bench));
    }
    let corners = vec![0.0, -0.0, 1e-6, 0.25 * PI, -0.25 * PI, 0.5 * PI, -0.5 * PI, 0.75 * PI, PI, -PI, 2.0 * PI];
    let fills = [
        ("corners", vec![(0, Fill::Values(corners))]),
        ("far", vec![(0, Fill::Between(-2000.0, 2000.0))]),
        ("mixed scales", [0, 1, 2, 3].map(|at| (at, Fill::Mixed(10))).to_vec()),
    ];
    for (name, fills) in fills {
        cases.extend(case(2, 33, false, name, &ring(33, 4)).map(|mut case| {
            fills.into_iter().for_each(|(at, fill)| case.fills[at] = fill);
            case
        }));
    }
    cases
}
