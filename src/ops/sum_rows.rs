//! The second stage of reductions. Not an op: it has no reference of its own, the ops that use it have.

#[cfg(feature = "gpu")]
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::{DType, WORKGROUP};
use crate::kernel::{Elem, Kernel, Params as _, input, output, source};

crate::params! {
    /// Parameters of the kernel.
    struct Params { rows: u32, len: u32, offset: u32, alpha: f32 }
}

#[cfg(feature = "gpu")]
const LANES: usize = WORKGROUP as usize;

/// Sums of consecutive runs of f32.
pub(super) static KERNEL: Kernel = Kernel {
    name: "sum_rows",
    source: source!("sum_rows", "grid", "reduce"),
    params: Params::FIELDS,
    bindings: &[input("src", Elem::F32, "[offset + rows * len]"), output("dst", Elem::F32, "[rows]")],
    constants: &[],
};

/// `dst[row] = sum_j src[offset + row * len + j]`, a tree of fixed shape per row.
#[cfg(feature = "gpu")]
pub(super) fn sum_rows(
    commands: &mut Commands,
    src: &Tensor,
    offset: usize,
    len: usize,
    shape: &[usize],
) -> Result<Tensor> {
    sum_rows_times(commands, src, offset, len, shape, 1.0)
}

/// `alpha` times what [`sum_rows`] gives.
#[cfg(feature = "gpu")]
pub(super) fn sum_rows_times(
    commands: &mut Commands,
    src: &Tensor,
    offset: usize,
    len: usize,
    shape: &[usize],
    alpha: f32,
) -> Result<Tensor> {
    let dst = commands.empty(shape, DType::F32)?;
    let params = Params { rows: dst.len() as u32, len: len as u32, offset: offset as u32, alpha };
    let work = Work::workgroups(dst.len()).rounds(len.div_ceil(LANES) + 8).flops(dst.len() * len);
    commands.dispatch(&KERNEL, DType::F32, &[], &params, &[read(src), write(&dst)], work)?;
    Ok(dst)
}
