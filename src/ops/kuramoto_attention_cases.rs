//! Cases of [`super::KuramotoAttention`] and of its weights: with and without mask, heads of one angle to more than one
//! block of features, sharp and flat scores.

use super::KuramotoAttention;
use crate::kernel::DType;
use crate::ops::attention::Variant;
use crate::ops::spec::{Case, Fill};

/// One instance, before it is a case.
pub(in crate::ops) struct Row {
    shape: [usize; 4],
    causal: bool,
    label: &'static str,
    theta: Fill,
    gate: Fill,
    tau: Fill,
    drift: Fill,
    content: Option<Fill>,
    small: bool,
    timed: bool,
}

fn row(shape: [usize; 4], causal: bool) -> Row {
    let circle = std::f64::consts::PI - 0.01;
    Row {
        shape,
        causal,
        label: "",
        theta: Fill::Between(-circle, circle),
        gate: Fill::Between(0.0, 2.0),
        tau: Fill::Between(0.5, 2.0),
        drift: Fill::Between(-1.0, 1.0),
        content: None,
        small: false,
        timed: false,
    }
}

impl Row {
    /// The op with these kernels, what to call the case, and the fills of its scores' operands; nothing if
    /// they do not serve its heads.
    pub(in crate::ops) fn parts(
        self,
        variant: Option<Variant>,
    ) -> Option<(KuramotoAttention, String, Vec<Fill>, [bool; 2])> {
        let mut op = KuramotoAttention::new(&self.shape, self.causal, self.content.is_some()).ok()?;
        op.scores.variant = variant;
        if !op.scores.variant().serves(op.scores.dim) {
            return None;
        }
        let causal = if self.causal { " causal" } else { "" };
        let text = format!("{:?}{causal}{}", self.shape, self.label);
        let mut fills = vec![self.theta, self.gate, self.tau, self.drift];
        fills.extend(self.content.iter().flat_map(|gates| [gates.clone(), gates.clone()]));
        Some((op, text, fills, [self.small, self.timed]))
    }
}

/// The instances that the step and its weights have in common.
pub(in crate::ops) fn rows() -> Vec<Row> {
    let still = || Fill::Zero;
    let open = || Some(Fill::Between(0.0, 1.5));
    vec![
        row([0, 3, 2, 2], true),
        row([2, 0, 1, 3], false),
        row([1, 1, 1, 1], true),
        row([2, 5, 3, 3], false),
        row([2, 5, 3, 3], true),
        row([3, 4, 2, 8], true),
        row([1, 7, 1, 17], true),
        row([1, 5, 2, 16], false),
        row([1, 67, 2, 2], true),
        row([1, 5, 1, 35], true),
        Row { label: " no drift", drift: still(), ..row([1, 131, 1, 4], false) },
        Row { label: " sharp", tau: Fill::Between(0.01, 0.02), ..row([1, 16, 2, 4], true) },
        Row { label: " flat", gate: still(), ..row([1, 16, 2, 4], true) },
        Row { label: " in phase", theta: Fill::Values(vec![0.5]), ..row([1, 9, 2, 3], true) },
        Row { label: " turns away", gate: Fill::Between(-2.0, 2.0), ..row([1, 9, 2, 3], false) },
        Row { label: " gates of tokens", content: open(), ..row([2, 5, 3, 3], true) },
        Row { label: " gates of tokens", content: open(), ..row([1, 67, 2, 2], false) },
        Row { label: " gates of tokens", content: open(), ..row([1, 7, 1, 17], true) },
        Row { label: " gates of tokens", content: open(), ..row([2, 5, 1, 35], false) },
        Row { label: " closed gates", content: Some(still()), ..row([1, 9, 2, 3], true) },
        // Under a mask the first query sees one key, so that its gate has no gradient and the ladder would compare rounding
        // with rounding.
        Row { label: " gates of tokens ladder", content: open(), small: true, ..row([1, 3, 2, 2], false) },
        Row { label: " gates of tokens", content: open(), timed: true, ..row([4, 256, 8, 8], true) },
        Row { label: " ladder", small: true, ..row([2, 3, 2, 2], true) },
        Row { label: " ladder", small: true, ..row([1, 3, 1, 3], false) },
        Row { timed: true, ..row([4, 256, 8, 8], true) },
    ]
}

/// No angle moves by more than `|eta|` a step: weights of one row sum to 1, and a sine is at most 1. The ratio is that of
/// the excess to what rounding and the wrap add, `8 u pi`; f16 stores angles up to pi within `2^-9`.
fn speed_law(inputs: &[Vec<f64>], outputs: &[Vec<f64>], case: &Case, dtype: DType) -> f64 {
    let shape = &case.op.inputs()[0].shape;
    let slack = if dtype == DType::F16 { f64::powi(2.0, -9) } else { 8.0 * std::f64::consts::PI * f64::powi(2.0, -23) };
    let excess = inputs[0].iter().zip(&outputs[0]).enumerate().map(|(i, (before, after))| {
        let turn = std::f64::consts::TAU;
        let moved = after - before - turn * ((after - before) / turn).round();
        (moved.abs() - inputs[3][i / shape[3] % shape[2]].abs()) / slack
    });
    excess.fold(0.0, |worst, r| if r > worst || r.is_nan() { r } else { worst })
}

pub(super) fn cases() -> Vec<Case> {
    let case = |(op, text, mut fills, [small, timed]): (KuramotoAttention, String, Vec<Fill>, [bool; 2])| {
        let variant = op.scores.variant().name();
        fills.insert(3, Fill::Between(-1.0, 1.0));
        let case = Case::new(text, op, fills).variant(variant);
        let case = case.law("no faster than eta", speed_law);
        let case = if small { case.ladder() } else { case };
        if timed { case.bench() } else { case }
    };
    let of = |variant| rows().into_iter().filter_map(move |row| row.parts(Some(variant)));
    [Variant::Four, Variant::Plain, Variant::Staged, Variant::Wide].into_iter().flat_map(of).map(case).collect()
}
