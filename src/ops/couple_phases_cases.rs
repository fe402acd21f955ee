//! Cases of the coupling of phases.

use std::f64::consts::PI;

use super::{CouplePhases, EdgeCoupling};
use crate::kernel::DType;
use crate::ops::graph::Graph;
use crate::ops::spec::{Case, Fill};

/// Which operands the samples share.
#[derive(Clone, Copy)]
struct Form {
    own_base: bool,
    own_weights: bool,
    edge_lag: bool,
}

const SHARED: Form = Form { own_base: false, own_weights: false, edge_lag: true };
const OWN: Form = Form { own_base: true, own_weights: true, edge_lag: false };

/// Everybody listens to the `degree` next nodes of a ring, the node itself among them.
fn ring(nodes: usize, degree: usize) -> Vec<(usize, usize)> {
    (0..nodes).flat_map(|i| (0..degree).map(move |d| (i, (i + d) % nodes))).collect()
}

/// A hub that listens to all and to which all listen, and a last node without edges.
fn star(nodes: usize) -> Vec<(usize, usize)> {
    (1..nodes - 1).flat_map(|i| [(0, i), (i, 0)]).collect()
}

/// Neighbours and next neighbours on a ring, in both directions.
fn both_ways(nodes: usize) -> Vec<(usize, usize)> {
    (0..nodes).flat_map(|i| [1, 2, nodes - 2, nodes - 1].map(|d| (i, (i + d) % nodes))).collect()
}

fn case(batch: usize, nodes: usize, harmonic: u32, form: Form, name: &str, edges: &[(usize, usize)]) -> Option<Case> {
    let graph = Graph::from_edges(nodes, edges).ok()?;
    let base = if form.own_base { vec![batch, nodes] } else { vec![nodes] };
    let weights = [if form.own_weights { batch } else { 1 }, edges.len()];
    let lag = if form.edge_lag { [1, edges.len()] } else { [batch, 1] };
    let shapes = EdgeCoupling { weights: &weights[..], strength: &[batch][..], lag: &lag[..] };
    let op = CouplePhases::new(&[batch, nodes], &base, &shapes, &graph, harmonic).ok()?;
    let label =
        format!("theta {:?} base {base:?} weights {weights:?} lag {lag:?} harmonic {harmonic} {name}", [batch, nodes]);
    let circle = Fill::Between(-PI, PI);
    Some(Case::new(label, op, vec![circle, Fill::Uniform, Fill::Uniform, Fill::Between(0.5, 2.0), Fill::Uniform]))
}

/// With equal weights both ways and no lag every force has its opposite, so the rates of a sample add up to nothing:
/// the ratio of their sum to what rounding each node's sum makes of it.
fn opposite_forces_law(inputs: &[Vec<f64>], outputs: &[Vec<f64>], _: &Case, _: DType) -> f64 {
    let (weights, strength) = (&inputs[2], &inputs[3]);
    let nodes = outputs[0].len() / strength.len().max(1);
    let force: f64 = weights.iter().map(|w| w.abs()).sum();
    // A term of a sum over `n` nodes of rows of 4 is rounded at most 4 + 3 times.
    let allowed = 7.0 * f64::powi(2.0, -23) * force;
    let ratios = outputs[0].chunks_exact(nodes.max(1)).zip(strength).map(|(rates, k)| {
        let sum: f64 = rates.iter().sum();
        sum.abs() / (allowed * k.abs())
    });
    ratios.fold(0.0, |worst, r| if r.is_nan() || r > worst { r } else { worst })
}

fn filled(mut case: Case, at: usize, fill: Fill) -> Case {
    case.fills[at] = fill;
    case
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for form in [SHARED, OWN] {
        cases.extend(case(0, 5, 1, form, "ring", &ring(5, 3)));
        cases.extend(case(2, 0, 1, form, "no nodes", &[]));
        cases.extend(case(1, 1, 1, form, "alone", &[]));
        cases.extend(case(3, 1, 2, form, "self loop", &[(0, 0)]));
        cases.extend(case(2, 6, 1, form, "no edges", &[]));
        cases.extend(case(2, 9, 1, form, "one edge", &[(7, 2)]));
        cases.extend(case(2, 67, 1, form, "star", &star(67)));
        cases.extend(case(1, 64, 3, form, "ring", &ring(64, 5)));
        cases.extend(case(1, 8, 1, form, "complete", &ring(8, 8)));
        cases.extend(case(131, 3, 1, form, "two tiles of samples", &ring(3, 2)));
        cases.extend(case(2, 260, 1, form, "two tiles of edges", &ring(260, 17)));
        cases.extend(case(2, 3, 2, form, "ladder", &[(0, 1), (2, 0), (2, 2)]).map(Case::ladder));
        cases.extend(case(4, 16384, 1, form, "ring", &ring(16384, 16)).map(Case::bench));
        let ring = || case(2, 33, 1, form, "ring", &ring(33, 4));
        let relabelled = |name: &str, fills: &[(usize, Fill)]| {
            let case = ring()?;
            let label = format!("{}, {name}", case.label);
            let case = fills.iter().fold(case, |case, (at, fill)| filled(case, *at, fill.clone()));
            Some(Case { label, ..case })
        };
        let corners = vec![0.0, -0.0, 1e-6, 0.25 * PI, -0.25 * PI, 0.5 * PI, -0.5 * PI, 0.75 * PI, PI, -PI, 2.0 * PI];
        cases.extend(relabelled("corners", &[(0, Fill::Values(corners)), (4, Fill::Zero)]));
        cases.extend(relabelled("far", &[(0, Fill::Between(-3000.0, 3000.0))]));
        let mixed = [(0, Fill::Mixed(10)), (1, Fill::Mixed(10)), (2, Fill::Mixed(10)), (3, Fill::Mixed(10))];
        cases.extend(relabelled("mixed scales", &mixed));
    }
    // The two forms that mix what is shared and what is not.
    cases.extend(case(3, 7, 1, Form { edge_lag: false, ..SHARED }, "ring, a lag per sample", &ring(7, 3)));
    cases.extend(case(3, 7, 1, Form { edge_lag: true, ..OWN }, "ring, a lag per edge", &ring(7, 3)));
    cases.extend(case(2, 3, 1, Form { edge_lag: true, ..OWN }, "ladder", &[(0, 1), (1, 0), (2, 0)]).map(Case::ladder));
    for harmonic in [1, 4] {
        cases.extend(case(2, 50, harmonic, SHARED, "both ways", &both_ways(50)).map(|case| {
            let same = [(1, Fill::Zero), (2, Fill::Values(vec![0.75])), (4, Fill::Zero)];
            let case = same.iter().fold(case, |case, (at, fill)| filled(case, *at, fill.clone()));
            case.law("opposite forces", opposite_forces_law)
        }));
    }
    cases
}
