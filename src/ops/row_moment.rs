//! Means and biased variances of rows, in two passes of two stages each. Not an op: the ops that use it have references.

#[cfg(feature = "gpu")]
use super::sum_rows::sum_rows_times;
#[cfg(feature = "gpu")]
use crate::cpu::{Over, Rows};
#[cfg(feature = "gpu")]
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::{DType, WORKGROUP};
use crate::kernel::{Elem, Kernel, Params as _, input, output, source};

crate::params! {
    /// Parameters of the kernel.
    struct Params { rows: u32, tiles: u32, len: u32, row_stride: u32, run: u32, jump: u32, order: u32, alpha: f32 }
}

/// Elements of one tile, as in the shader.
#[cfg(feature = "gpu")]
const TILE: usize = 1024;

/// Partial sums of deviations or of their squares; `sum_rows` adds them.
pub(super) static KERNEL: Kernel = Kernel {
    name: "row_moment",
    source: source!("row_moment", "grid", "reduce"),
    params: Params::FIELDS,
    bindings: &[
        input("x", Elem::Storage, "[rows, len], strided"),
        input("mean", Elem::F32, "[rows]"),
        output("partial", Elem::F32, "[rows, tiles]"),
    ],
    constants: &[],
};

/// Per row the mean of `x` minus the row's first element, and the biased variance. Rows over groups or samples.
#[cfg(feature = "gpu")]
pub(super) fn row_moments(commands: &mut Commands, x: &Tensor, at: &Rows, dtype: DType) -> Result<(Tensor, Tensor)> {
    let unread = commands.empty(&[1], DType::F32)?;
    let mean = moment(commands, x, &unread, at, 1, dtype)?;
    let variance = moment(commands, x, &mean, at, 2, dtype)?;
    Ok((mean, variance))
}

#[cfg(feature = "gpu")]
fn moment(commands: &mut Commands, x: &Tensor, mean: &Tensor, at: &Rows, order: u32, dtype: DType) -> Result<Tensor> {
    let (rows, len) = (at.count(), at.len());
    let share = (1.0 / len.max(1) as f64) as f32;
    let tiles = len.div_ceil(TILE);
    let (row_stride, run, jump) = match at.over {
        Over::Samples => (at.inner, at.inner, at.channels * at.inner),
        // Channels of a position do not follow each other: kernels of their own serve them.
        Over::Group(_) | Over::Channels => (len, len, 0),
    };
    let partial = commands.empty(&[rows, tiles], DType::F32)?;
    let params = Params {
        rows: rows as u32,
        tiles: tiles as u32,
        len: len as u32,
        row_stride: row_stride as u32,
        run: run as u32,
        jump: jump as u32,
        order,
        // A row of one tile needs no second stage.
        alpha: if tiles == 1 { share } else { 1.0 },
    };
    let work = Work::workgroups(rows * tiles).rounds(TILE / WORKGROUP as usize + 8).flops(2 * x.len());
    commands.dispatch(&KERNEL, dtype, &[], &params, &[read(x), read(mean), write(&partial)], work)?;
    match tiles {
        1 => Ok(partial),
        _ => sum_rows_times(commands, &partial, 0, tiles, &[rows], share),
    }
}
