//! What the normalisations check and how they take their optional operands.

use super::layout::{extent, indexable};
use super::spec::Port;
use crate::cpu::{Over, Rows};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::Work;
#[cfg(feature = "gpu")]
use crate::kernel::WORKGROUP;

/// Sees a tensor with extents `shape` as `[outer, channels, inner]` around `axis`, which comes after the first.
pub(super) fn rows(op: &str, argument: &str, shape: &[usize], axis: usize, over: Over) -> Result<Rows> {
    let channels = extent(op, shape, axis)?;
    if channels == 0 {
        let wanted = "at least one channel";
        return Err(Error::argument(ErrorKind::Shape, op, argument, format!("{shape:?}"), wanted));
    }
    indexable(op, shape)?;
    let (outer, inner) = (shape[..axis].iter().product(), shape[axis + 1..].iter().product());
    Ok(Rows { outer, channels, inner, over })
}

/// Refuses an `eps` that does not keep the square root from zero.
pub(super) fn positive(op: &str, eps: f32) -> Result<()> {
    if eps.is_finite() && eps >= f32::MIN_POSITIVE {
        return Ok(());
    }
    Err(Error::argument(ErrorKind::Param, op, "eps", eps, "a positive normal number"))
}

/// Rows over channels that one workgroup takes, for kernels with `row_block`: neighbours where a row's elements lie
/// apart, so that lanes read whole sectors of memory. Depends on extents behind the channels alone.
#[cfg(feature = "gpu")]
pub(super) fn block(at: &Rows) -> usize {
    if at.inner >= 8 { 8 } else { 1 }
}

/// Work of such a kernel that makes so many loops over the channels and as many sums.
#[cfg(feature = "gpu")]
pub(super) fn block_work(at: &Rows, loops: usize, sums: usize) -> Work {
    let lanes = WORKGROUP as usize / block(at);
    Work::workgroups(at.count().div_ceil(block(at))).rounds(loops * at.channels.div_ceil(lanes) + 8 * sums)
}

/// Which of the optional operands a normalisation has; they follow its other inputs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Affine {
    pub weight: bool,
    pub bias: bool,
}

impl Affine {
    /// Both combinations that cases try, with labels.
    pub fn all() -> [(Affine, &'static str); 2] {
        [(Affine { weight: true, bias: true }, ""), (Affine { weight: false, bias: false }, " plain")]
    }

    /// Those of `weight` and `bias` that are there, and all operands of a normalisation of `x`, in order.
    pub fn of<T>(x: T, weight: Option<T>, bias: Option<T>) -> (Affine, Vec<T>) {
        let affine = Affine { weight: weight.is_some(), bias: bias.is_some() };
        (affine, [Some(x), weight, bias].into_iter().flatten().collect())
    }

    /// The ports of the operands that are there.
    pub fn ports(self, channels: usize) -> impl Iterator<Item = Port> {
        let port = move |name, there: bool| there.then(|| Port::storage(name, &[channels]));
        port("weight", self.weight).into_iter().chain(port("bias", self.bias))
    }

    /// How many there are.
    pub fn count(self) -> usize {
        usize::from(self.weight) + usize::from(self.bias)
    }

    /// Weight and bias from the inputs, of which they are the last.
    pub fn split<T: Copy>(self, inputs: &[T]) -> (Option<T>, Option<T>) {
        let mut last = inputs[inputs.len() - self.count()..].iter().copied();
        let weight = if self.weight { last.next() } else { None };
        (weight, if self.bias { last.next() } else { None })
    }

    /// The cotangents of the operands that are there.
    #[cfg(feature = "gpu")]
    pub fn keep<T>(self, weight: Option<T>, bias: Option<T>) -> impl Iterator<Item = Option<T>> {
        self.weight.then_some(weight).into_iter().chain(self.bias.then_some(bias))
    }
}
