//! What elementwise maps of one tensor share on the device. Not an op.

#[cfg(feature = "gpu")]
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::Kernel;
use crate::kernel::{Binding, Elem, Field, Params as _, input, output};

crate::params! {
    /// Parameters of both kernels.
    struct Params { len: u32 }
}

/// Members of the uniform of both kernels.
pub(super) const FIELDS: &[Field] = Params::FIELDS;

/// Bindings of `dst = f(x)`.
pub(super) const FORWARD: &[Binding] = &[input("x", Elem::Storage, "[len]"), output("dst", Elem::Storage, "[len]")];

/// Bindings of `x_bar = f'(x) dst_bar`.
pub(super) const BACKWARD: &[Binding] = &[
    input("x", Elem::Storage, "[len]"),
    input("dst_bar", Elem::Storage, "[len]"),
    output("x_bar", Elem::Storage, "[len]"),
];

/// Records `dst = f(x)` with `flops` operations an element.
#[cfg(feature = "gpu")]
pub(super) fn map(commands: &mut Commands, kernel: &'static Kernel, x: &Tensor, flops: usize) -> Result<Vec<Tensor>> {
    let dst = commands.empty(x.shape(), x.dtype())?;
    let work = Work::invocations(x.len()).flops(flops * x.len());
    commands.dispatch(kernel, x.dtype(), &[], &Params { len: x.len() as u32 }, &[read(x), write(&dst)], work)?;
    Ok(vec![dst])
}

/// Records `x_bar = f'(x) dst_bar` with `flops` operations an element, if there is a cotangent.
#[cfg(feature = "gpu")]
pub(super) fn pull(
    commands: &mut Commands,
    kernel: &'static Kernel,
    x: &Tensor,
    dst_bar: Option<&Tensor>,
    flops: usize,
) -> Result<Vec<Option<Tensor>>> {
    let Some(g) = dst_bar else { return Ok(vec![None]) };
    let x_bar = commands.empty(x.shape(), x.dtype())?;
    let work = Work::invocations(x.len()).flops(flops * x.len());
    let binds = [read(x), read(g), write(&x_bar)];
    commands.dispatch(kernel, x.dtype(), &[], &Params { len: x.len() as u32 }, &binds, work)?;
    Ok(vec![Some(x_bar)])
}
