//! A recorded call of an op, as its backward pass sees it.

use super::spec::Op;
use crate::error::Result;
use crate::gpu::{Bind, Commands, Tensor, update, write};
use crate::kernel::{DType, Kernel};
use crate::tape::OpenSum;

/// What the backward pass of a call gets.
pub struct Call<'a> {
    /// The inputs.
    pub inputs: &'a [&'a Tensor],
    /// What [`Op::forward_keeping`] kept.
    pub kept: &'a [Tensor],
    /// Cotangents of the outputs, absent where nothing depends on one.
    pub cotangents: &'a [Option<&'a Tensor>],
    /// Which inputs want a cotangent.
    pub needs: &'a [bool],
    /// The storage type.
    pub dtype: DType,
    /// The open sums of the inputs. An op adds to them, or opens one where there is none; what is in a sum is in no
    /// cotangent that the op returns.
    pub sums: &'a mut [Option<OpenSum>],
}

/// Partial sums for one call: new ones, or those that earlier calls left.
pub(super) struct Partial {
    pub tensor: Tensor,
    /// Whether earlier calls left sums to add to.
    pub begun: bool,
}

impl Partial {
    /// The sums of `kernel` with the extents `shape`, shared by the inputs `of`.
    pub fn find(
        commands: &mut Commands,
        sums: &[Option<OpenSum>],
        of: &[usize],
        kernel: &Kernel,
        shape: &[usize],
    ) -> Result<Partial> {
        let mut found = of.iter().map(|i| sums.get(*i)?.as_ref()?.partial(kernel.name, shape));
        let first = found.next().flatten();
        let begun = first.is_some_and(|first| found.all(|other| other.is_some_and(|other| other.is_same(first))));
        let tensor = match first.filter(|_| begun) {
            Some(first) => first.clone(),
            None => commands.empty(shape, DType::F32)?,
        };
        Ok(Partial { tensor, begun })
    }

    /// The binding of the call's kernel.
    pub fn bind(&self) -> Bind<'_> {
        if self.begun { update(&self.tensor) } else { write(&self.tensor) }
    }

    /// Leaves the sums to later calls, and how the cotangent of input `of` is made of them; `None`. If another kernel's are
    /// open there, that cotangent at once.
    pub fn leave(
        &self,
        commands: &mut Commands,
        sums: &mut [Option<OpenSum>],
        of: usize,
        kernel: &Kernel,
        close: impl Fn(&mut Commands, &Tensor) -> Result<Tensor> + 'static,
    ) -> Result<Option<Tensor>> {
        match sums.get_mut(of) {
            _ if self.begun => Ok(None),
            Some(slot) if slot.is_none() => {
                *slot = Some(OpenSum::new(kernel.name, &self.tensor, close));
                Ok(None)
            }
            _ => close(commands, &self.tensor).map(Some),
        }
    }
}

/// [`Op::backward_of`] of a call for itself: nothing kept, every sum closed.
pub(super) fn alone<O: Op>(
    op: &O,
    commands: &mut Commands,
    inputs: &[&Tensor],
    cotangents: &[Option<&Tensor>],
    needs: &[bool],
    dtype: DType,
) -> Result<Vec<Option<Tensor>>> {
    let mut sums: Vec<Option<OpenSum>> = inputs.iter().map(|_| None).collect();
    let call = Call { inputs, kept: &[], cotangents, needs, dtype, sums: &mut sums };
    let mut found = op.backward_of(commands, call)?;
    for (found, open) in found.iter_mut().zip(sums) {
        if let Some(open) = open {
            *found = Some(open.close(commands)?);
        }
    }
    Ok(found)
}
