//! Mean cross entropy of logits and labels.

use super::layout::channels;
use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::{Channels, Real, cross_entropy as cpu};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::{DType, WORKGROUP};
use crate::kernel::{Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Tape, Var};

crate::params! {
    /// Parameters of both kernels.
    struct Params { positions: u32, classes: u32, inner: u32 }
}

const LOGITS: &str = "[outer, classes, inner]";
const LABELS: &str = "[outer, inner]";
const STATISTICS: &str = "[2, positions]";

/// Partial sums of the losses, and what the backward pass needs of each position; `sum_rows` adds the partials.
pub static FORWARD: Kernel = Kernel {
    name: "cross_entropy",
    source: source!("cross_entropy", "grid", "reduce"),
    params: Params::FIELDS,
    bindings: &[
        input("logits", Elem::Storage, LOGITS),
        input("labels", Elem::U32, LABELS),
        output("partial", Elem::F32, "[groups]"),
        output("statistics", Elem::F32, STATISTICS),
    ],
    constants: &[],
};

/// Cotangent of the logits.
pub static BACKWARD: Kernel = Kernel {
    name: "cross_entropy_bwd",
    source: source!("cross_entropy_bwd", "grid"),
    params: Params::FIELDS,
    bindings: &[
        input("logits", Elem::Storage, LOGITS),
        input("labels", Elem::U32, LABELS),
        input("statistics", Elem::F32, STATISTICS),
        input("dst_bar", Elem::F32, "[1]"),
        output("logits_bar", Elem::Storage, LOGITS),
    ],
    constants: &[],
};

/// A loss with fixed extents.
#[derive(Clone, Debug)]
pub struct CrossEntropy {
    logits: Vec<usize>,
    labels: Vec<usize>,
    at: Channels,
}

impl CrossEntropy {
    /// The loss of logits with extents `logits`, whose classes lie along `axis`.
    ///
    /// # Errors
    /// `Shape` if `axis` is none of the logits' after the first, or if there are no positions or no classes: their mean
    /// is no number. `Index` past 32 bits.
    pub fn new(logits: &[usize], axis: usize) -> Result<CrossEntropy> {
        let at = channels("cross_entropy", logits, axis)?;
        if logits.contains(&0) {
            let wanted = "at least one position and one class; an empty mean is no number";
            let got = format!("{logits:?}");
            return Err(Error::argument(ErrorKind::Shape, "cross_entropy", "logits", got, wanted));
        }
        let mut labels = logits.to_vec();
        labels.remove(axis);
        Ok(CrossEntropy { logits: logits.to_vec(), labels, at })
    }

    #[cfg(feature = "gpu")]
    fn params(&self) -> Params {
        let [positions, classes, inner] = [self.at.positions(), self.at.channels, self.at.inner].map(|v| v as u32);
        Params { positions, classes, inner }
    }

    /// Records the forward kernel: partial losses and statistics.
    #[cfg(feature = "gpu")]
    fn rows(&self, commands: &mut Commands, inputs: &[&Tensor], dtype: DType) -> Result<(Tensor, Tensor)> {
        let positions = self.at.positions();
        let partial = commands.empty(&[positions.div_ceil(WORKGROUP as usize)], DType::F32)?;
        let statistics = commands.empty(&[2, positions], DType::F32)?;
        let binds = [read(inputs[0]), read(inputs[1]), write(&partial), write(&statistics)];
        let work =
            Work::invocations(positions).rounds(2 * self.at.channels + 8).flops(4 * positions * self.at.channels);
        commands.dispatch(&FORWARD, dtype, &[], &self.params(), &binds, work)?;
        Ok((partial, statistics))
    }
}

impl Op for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross_entropy"
    }
    fn inputs(&self) -> Vec<Port> {
        vec![Port::storage("logits", &self.logits), Port::u32("labels", &self.labels)]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::f32("dst", &[1])]
    }
    fn index_inputs(&self) -> Vec<(usize, usize)> {
        vec![(1, self.at.channels)]
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(inputs[0], inputs[1], &self.at)]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        let logits_bar = cpu::backward(inputs[0], inputs[1], cotangents[0][0], &self.at);
        vec![logits_bar, vec![R::zero(); inputs[1].len()]]
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], dtype: DType) -> Result<Vec<Tensor>> {
        let (partial, _) = self.rows(commands, inputs, dtype)?;
        Ok(vec![super::sum_rows::sum_rows(commands, &partial, 0, partial.len(), &[1])?])
    }
    #[cfg(feature = "gpu")]
    fn backward(
        &self,
        commands: &mut Commands,
        inputs: &[&Tensor],
        cotangents: &[Option<&Tensor>],
        needs: &[bool],
        dtype: DType,
    ) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = cotangents[0].filter(|_| needs[0]) else { return Ok(vec![None, None]) };
        let (_, statistics) = self.rows(commands, inputs, dtype)?;
        let logits_bar = commands.empty(&self.logits, dtype)?;
        let binds = [read(inputs[0]), read(inputs[1]), read(&statistics), read(g), write(&logits_bar)];
        let work = Work::invocations(logits_bar.len()).flops(6 * logits_bar.len());
        commands.dispatch(&BACKWARD, dtype, &[], &self.params(), &binds, work)?;
        Ok(vec![Some(logits_bar), None])
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `[mean of log sum_k exp(logits_k) - logits_label]` in f32, over all positions: the classes lie along `axis`,
    /// `labels` (u32) has the extents of `logits` without it. A label past the classes makes the loss NaN; a checked
    /// context refuses it.
    ///
    /// # Errors
    /// `Shape`, also if there are no positions or no classes; `DType`, `Index`; as [`Commands::apply`].
    pub fn cross_entropy(&mut self, logits: &Tensor, labels: &Tensor, axis: usize) -> Result<Tensor> {
        Ok(self.apply(&CrossEntropy::new(logits.shape(), axis)?, &[logits, labels])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::cross_entropy`](crate::Commands::cross_entropy), differentiable in the logits.
    ///
    /// # Errors
    /// As [`Commands::cross_entropy`](crate::Commands::cross_entropy); the reference backend refuses a label past the
    /// classes with `Index`.
    pub fn cross_entropy(&mut self, logits: Var, labels: Var, axis: usize) -> Result<Var> {
        let op = CrossEntropy::new(&self.spec(logits)?.shape, axis)?;
        self.apply_one(op, &[logits, labels])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "cross_entropy",
    formula: "dst = mean of ln sum_k exp(x_k) - x_label",
    differentiable: true,
    kernels: &[&FORWARD, &BACKWARD, &super::sum_rows::KERNEL],
    cases,
};

fn cases() -> Vec<Case> {
    let case = |shape: &[usize], axis: usize, label: &str, fill: Fill| {
        let op = CrossEntropy::new(shape, axis).ok()?;
        let classes = shape[axis] as f64;
        let labels = [3.0, 0.0, 8.0, 1.0, 511.0, 2.0, 5.0].map(|v| v % classes);
        Some(Case::new(format!("{shape:?} axis {axis}{label}"), op, vec![fill, Fill::Values(labels.into())]))
    };
    let far = Fill::Values(vec![1000.0, -1000.0, 999.0, 0.0, 1000.0, 30000.0]);
    let mut cases: Vec<Case> = [
        // One class: the loss is 0 and so is its gradient.
        case(&[3, 1], 1, "", Fill::Uniform),
        case(&[1, 2], 1, "", Fill::Uniform),
        case(&[2, 9, 3, 3], 1, "", Fill::Between(-4.0, 4.0)),
        case(&[2, 9, 9, 9], 3, "", Fill::Between(-4.0, 4.0)),
        case(&[65, 10], 1, "", Fill::Between(-4.0, 4.0)),
        case(&[8, 512], 1, "", Fill::Between(-10.0, 10.0)),
        case(&[3, 4, 50], 1, ", all equal", Fill::Zero),
        case(&[4, 5], 1, ", far apart", far),
        case(&[5, 6], 1, ", mixed scales", Fill::Mixed(8)),
        case(&[2, 4, 2], 1, " ladder", Fill::Uniform).map(Case::ladder),
        case(&[100, 9, 9, 9], 1, "", Fill::Between(-4.0, 4.0)).map(Case::bench),
    ]
    .into_iter()
    .flatten()
    .collect();
    cases.extend(case(&[512, 512], 1, "", Fill::Between(-10.0, 10.0)).map(Case::bench));
    cases
}
