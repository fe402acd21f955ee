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
    struct Params { rows: u32, len: u32, offset: u32, alpha: f32, parts: u32, part: u32 }
}

#[cfg(feature = "gpu")]
const LANES: usize = WORKGROUP as usize;

/// Numbers that one workgroup adds of a long row.
#[cfg(feature = "gpu")]
const PART: usize = 2048;

/// Up to here one workgroup adds a row: a second dispatch costs a GPU as much as the wait for 32 loads in a row.
#[cfg(feature = "gpu")]
const LONG: usize = 4 * PART;

/// Sums of consecutive runs of f32.
pub(super) static KERNEL: Kernel = Kernel {
    name: "sum_rows",
    source: source!("sum_rows", "grid", "reduce"),
    params: Params::FIELDS,
    bindings: &[input("src", Elem::F32, "[offset + rows * len]"), output("dst", Elem::F32, "[rows, parts]")],
    constants: &[],
};

/// `dst[row] = sum_j src[offset + row * len + j]`, a tree of fixed shape per row; of a long row one for each part, then one
/// over these.
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
    if len > LONG {
        let (rows, parts) = (shape.iter().product(), len.div_ceil(PART));
        let sums = add(commands, src, offset, len, &[rows, parts], parts, 1.0)?;
        return sum_rows_times(commands, &sums, 0, parts, shape, alpha);
    }
    add(commands, src, offset, len, shape, 1, alpha)
}

/// Sums of each of the `parts` of every row.
#[cfg(feature = "gpu")]
fn add(
    commands: &mut Commands,
    src: &Tensor,
    offset: usize,
    len: usize,
    shape: &[usize],
    parts: usize,
    alpha: f32,
) -> Result<Tensor> {
    let dst = commands.empty(shape, DType::F32)?;
    let rows = dst.len() / parts;
    let part = if parts == 1 { len } else { PART };
    let params = Params {
        rows: rows as u32,
        len: len as u32,
        offset: offset as u32,
        alpha,
        parts: parts as u32,
        part: part as u32,
    };
    let work = Work::workgroups(dst.len()).rounds(part.div_ceil(LANES) + 8).flops(rows * len);
    commands.dispatch(&KERNEL, DType::F32, &[], &params, &[read(src), write(&dst)], work)?;
    Ok(dst)
}
