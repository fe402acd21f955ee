//! Cases of [`super::TimeMultiplexed`]: numbers of nodes around the workgroup's size and the rounds of four products, one
//! bank, more banks than steps and fewer, drives that change and that do not, all activations.
//!
//! Errors of a state are multiplied by the weights in every step, so steps are few and rows of weights sum to about 1.
//! What `relu` sees is an integer: a number whose sign rounding decides has no derivative to compare.

use super::{Activation, RecurrenceOptions, TimeMultiplexed};
use crate::ops::spec::{Case, Fill, Op as _};

struct Row {
    batch: usize,
    nodes: usize,
    banks: usize,
    /// Whether the drive changes.
    moving: bool,
    options: RecurrenceOptions,
    label: &'static str,
    fill: Fill,
}

fn row(batch: usize, nodes: usize, banks: usize, moving: bool, options: RecurrenceOptions) -> Row {
    Row { batch, nodes, banks, moving, options, label: "", fill: Fill::Uniform }
}

fn case(row: Row) -> Option<Case> {
    let Row { batch, nodes, banks, moving, options, label, fill } = row;
    let drive = [batch, if moving { options.steps } else { 1 }, nodes];
    let op = TimeMultiplexed::new(&drive, &[banks, nodes, nodes], &options).ok()?;
    let small = 2.0 / nodes as f64;
    let weights = if fill == Fill::Uniform { Fill::Between(-small, small) } else { fill.clone() };
    let alpha = if fill == Fill::Integers { Fill::Integers } else { Fill::Between(0.25, 0.75) };
    let RecurrenceOptions { steps, first, activation, every } = options;
    let every = if every { "every" } else { "last" };
    let label = format!("{drive:?} banks {banks} steps {steps} from {first} {activation:?} {every}{label}");
    let fits = op.inputs().iter().map(|port| port.len()).sum::<usize>() <= 80 && fill != Fill::Integers;
    let case = Case::new(label, op, vec![fill.clone(), fill.clone(), weights, fill, alpha]);
    Some(if fits { case.ladder() } else { case })
}

pub(super) fn cases() -> Vec<Case> {
    use Activation::{Identity, Relu};
    let at = RecurrenceOptions::new;
    let mut rows = vec![
        row(0, 3, 2, true, at(2)),
        row(1, 1, 1, true, at(1)),
        row(2, 3, 1, true, at(4).every()),
        row(2, 3, 2, false, at(3)),
        row(1, 3, 4, false, at(3).first(2).every()),
        row(2, 4, 2, true, at(5).first(1).activation(Identity).every()),
        row(3, 63, 2, true, at(3).every()),
        row(2, 65, 3, false, at(4).first(7).every()),
        row(2, 130, 2, true, at(2)),
        row(1, 256, 1, false, at(2)),
        // More uses of a bank than one tile of its gradient takes.
        row(70, 5, 2, true, at(6)),
    ];
    for (nodes, every) in [(3, true), (9, false)] {
        for activation in [Relu, Identity] {
            let options = RecurrenceOptions { every, ..at(2).activation(activation) };
            rows.push(Row { label: " integers", fill: Fill::Integers, ..row(2, nodes, 2, true, options) });
        }
    }
    for (label, fill) in [
        (" zero", Fill::Zero),
        (" mixed scales", Fill::Mixed(6)),
        // Where tanh is 1 and its slope 0.
        (" far", Fill::Values(vec![90.0, -90.0, 60.0, -20.0, 9.0])),
    ] {
        rows.push(Row { label, fill, ..row(2, 5, 2, true, at(2).every()) });
    }
    // Arguments that stay away from the kink by more than the differences reach.
    let values = Fill::Values(vec![0.5, -0.25, 1.0, -0.75, 0.125]);
    rows.push(Row { label: " ladder", fill: values, ..row(2, 3, 2, true, at(3).activation(Relu).every()) });
    let mut cases: Vec<Case> = rows.into_iter().filter_map(case).collect();
    cases.extend(case(row(64, 64, 4, false, at(16))).map(Case::bench));
    cases.extend(case(row(16, 256, 2, true, at(16).every())).map(Case::bench));
    cases
}
