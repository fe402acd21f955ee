//! What the ops over the nodes of a network share. Not an op: it has no reference of its own, the ops that use it have.

#[cfg(feature = "gpu")]
use crate::cpu::{Over, Rows};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor};
#[cfg(feature = "gpu")]
use crate::kernel::DType;

/// Elements of one tile of a sum over the nodes of a sample, as in the shaders.
#[cfg(feature = "gpu")]
pub(super) const TILE: usize = 1024;

/// Samples and nodes of `[B, N]`.
pub(super) fn extents(op: &str, argument: &str, shape: &[usize]) -> Result<[usize; 2]> {
    let &[samples, nodes] = shape else {
        return Err(Error::argument(ErrorKind::Shape, op, argument, format!("{shape:?}"), "[B, N]"));
    };
    super::layout::indexable(op, shape)?;
    Ok([samples, nodes])
}

/// Refuses a harmonic that is none or that f32 does not hold exactly.
pub(super) fn harmonic(op: &str, value: u32) -> Result<()> {
    if (1..=1 << 24).contains(&value) {
        return Ok(());
    }
    Err(Error::argument(ErrorKind::Param, op, "harmonic", value, "from 1 to 2^24"))
}

/// Adds the tiles of the partial sums `[.., tiles]` from element `offset` on to a tensor of extents `shape`.
#[cfg(feature = "gpu")]
pub(super) fn add_tiles(
    commands: &mut Commands,
    partial: &Tensor,
    offset: usize,
    tiles: usize,
    shape: &[usize],
) -> Result<Tensor> {
    // One tile is the sum already.
    if tiles == 1 && partial.len() == shape.iter().product::<usize>() {
        return partial.reshape(shape);
    }
    super::sum_rows::sum_rows(commands, partial, offset, tiles, shape)
}

/// `[nodes]`, the sums over the samples of f32 numbers `[samples, nodes]`: what a quantity that all samples share is
/// owed. Needs the kernels of `sum_columns`, `channel_sums` and `sum_rows`.
#[cfg(feature = "gpu")]
pub(super) fn sum_samples(commands: &mut Commands, x: &Tensor, [samples, nodes]: [usize; 2]) -> Result<Tensor> {
    if super::sum_columns::split(samples, nodes).tiles == 1 {
        return super::sum_columns::sum_columns(commands, x, 0, &[nodes]);
    }
    // Few nodes of many samples: one invocation per node would leave a device idle.
    let at = Rows { outer: samples, channels: nodes, inner: 1, over: Over::Samples };
    let none = super::channel_sums::Factor::None;
    super::channel_sums::channel_sums(commands, x, none, &at, DType::F32)?.plain(commands)
}
