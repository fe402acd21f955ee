//! The small convolutional blocks between Kuramoto layers.

use crate::error::Result;
use crate::kernel::DType;
use crate::model::parameters::{Bound, Builder, Initial, Role};
use crate::model::trainer::BatchStatistics;
use crate::ops::conv2d::ConvOptions;
use crate::tape::{Tape, Var};

/// Batch normalisation's epsilon, as in PyTorch.
const EPS: f32 = 1e-5;

/// Whether batch normalisation takes its statistics from the batch (and reports them) or from the running ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// From the batch.
    Train,
    /// From the running statistics.
    Evaluate,
}

/// `conv(relu(norm(x)))`: `norm` is batch normalisation or nothing.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// `layers.0.1.1.fn.fn.0.fn.`: the convolution is its member 2, the normalisation its member 0.
    pub prefix: String,
    pub channels: usize,
    pub out: usize,
    pub kernel: usize,
    pub norm: bool,
}

impl Block {
    pub(super) fn parameters(&self, builder: &mut Builder) {
        if self.norm {
            let norm = format!("{}0", self.prefix);
            let mut add = |name: &str, role: Role, value: f32| {
                builder.add(format!("{norm}.{name}"), &[self.channels], role, Initial::Constant(value));
            };
            add("weight", Role::Learned, 1.0);
            add("bias", Role::Learned, 0.0);
            add("running_mean", Role::Statistic, 0.0);
            add("running_var", Role::Statistic, 1.0);
            builder.add(format!("{norm}.num_batches_tracked"), &[], Role::Unused, Initial::Constant(0.0));
        }
        builder.affine(&format!("{}2", self.prefix), &[self.out, self.channels, self.kernel, self.kernel], true);
    }

    pub(super) fn forward(
        &self,
        tape: &mut Tape,
        bound: &Bound,
        x: Var,
        mode: Mode,
        statistics: &mut Vec<BatchStatistics>,
    ) -> Result<Var> {
        let get = |rest: &str| bound.get(&format!("{}{rest}", self.prefix));
        let mut x = x;
        if self.norm {
            let (weight, bias) = (Some(get("0.weight")?), Some(get("0.bias")?));
            let (mean, variance) = (get("0.running_mean")?, get("0.running_var")?);
            x = match mode {
                Mode::Evaluate => tape.norm_batch_inference(x, mean, variance, weight, bias, EPS)?,
                Mode::Train => {
                    let shape = tape.spec(x)?.shape;
                    let (y, mean, variance) = tape.norm_batch(x, weight, bias, EPS)?;
                    let count = shape.iter().product::<usize>().checked_div(shape[1]).unwrap_or(0);
                    statistics.push(BatchStatistics { name: format!("{}0", self.prefix), mean, variance, count });
                    y
                }
            };
        }
        let x = tape.relu(x)?;
        tape.conv2d(x, get("2.weight")?, Some(get("2.bias")?), same(self.kernel))
    }
}

/// Images in `[0, 1]` to `[-1, 1]`: `(x - 1/2) / (1/2)`.
pub(super) fn centred(tape: &mut Tape, image: Var) -> Result<Var> {
    let shape = tape.spec(image)?.shape;
    let minus_one = tape.fill(-1.0, &shape, DType::F32)?;
    tape.axpy(2.0, image, minus_one)
}

/// A convolution with an odd kernel that keeps the extents.
pub(super) fn same(kernel: usize) -> ConvOptions {
    ConvOptions { padding: [kernel / 2; 2], ..ConvOptions::default() }
}
