//! Sums per channel of a cotangent, and of a cotangent times what it was multiplied with. Not an op: the ops that use
//! it have references.

#[cfg(feature = "gpu")]
use super::call::Partial;
#[cfg(feature = "gpu")]
use super::sum_rows::sum_rows;
#[cfg(feature = "gpu")]
use crate::cpu::{Over, Rows};
#[cfg(feature = "gpu")]
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read};
#[cfg(feature = "gpu")]
use crate::kernel::{DType, WORKGROUP};
use crate::kernel::{Elem, Kernel, Params as _, input, source, sum};
#[cfg(feature = "gpu")]
use crate::tape::OpenSum;

crate::params! {
    /// Parameters of the kernel.
    struct Params {
        channels: u32, inner: u32, segments: u32, len: u32, tiles: u32, kinds: u32, mode: u32,
        row_outer: u32, row_channels: u32, row_inner: u32, eps: f32, begun: u32,
    }
}

/// Positions of one tile, as in the shader.
#[cfg(feature = "gpu")]
const TILE: usize = 1024;

const SHAPE: &str = "[outer, channels, inner]";

/// Partial sums; `sum_rows` adds them.
pub(super) static KERNEL: Kernel = Kernel {
    name: "channel_sums",
    source: source!("channel_sums", "grid", "reduce"),
    params: Params::FIELDS,
    bindings: &[
        input("x", Elem::Storage, SHAPE),
        input("dst_bar", Elem::Storage, SHAPE),
        input("mean", Elem::F32, "[rows]"),
        input("variance", Elem::F32, "[rows]"),
        sum("partial", Elem::F32, "[kinds, channels, segments, tiles]"),
    ],
    constants: &[],
};

/// What the cotangent is multiplied with before it is summed a second time; numbers of the shader's modes.
#[cfg(feature = "gpu")]
#[derive(Clone, Copy)]
pub(super) enum Factor<'a> {
    /// Nothing: there is no second sum.
    None,
    /// `x`.
    Plain(&'a Tensor),
    /// `x / sqrt(variance + eps)`.
    Scaled { x: &'a Tensor, variance: &'a Tensor, eps: f32 },
    /// `(x - mean) / sqrt(variance + eps)`.
    Centred { x: &'a Tensor, mean: &'a Tensor, variance: &'a Tensor, eps: f32 },
    /// The same with the mean of `x` minus the row's first element.
    Shifted { x: &'a Tensor, mean: &'a Tensor, variance: &'a Tensor, eps: f32 },
}

/// How positions are cut.
#[cfg(feature = "gpu")]
struct Tiles {
    /// Sums of each channel.
    kinds: usize,
    segments: usize,
    /// Positions of a segment.
    len: usize,
    /// Of a segment.
    tiles: usize,
}

#[cfg(feature = "gpu")]
impl Tiles {
    fn new(factor: &Factor<'_>, at: &Rows) -> Tiles {
        let kinds = if matches!(factor, Factor::None) { 1 } else { 2 };
        let (segments, len) = match at.over {
            Over::Group(_) if at.outer != 1 => (at.outer, at.inner),
            _ => (1, at.outer * at.inner),
        };
        Tiles { kinds, segments, len, tiles: len.div_ceil(TILE) }
    }
}

/// The sums, `[kinds, channels, segments]`, where a segment is one outer index for rows over groups and everything
/// otherwise.
#[cfg(feature = "gpu")]
pub(super) struct Sums {
    pub all: Tensor,
    channels: usize,
    segments: usize,
}

/// The cotangent of a bias per channel, `[channels]`, which is input `of` of a call: `dst_bar` `[outer, channels, inner]`
/// summed over the rest and over calls.
#[cfg(feature = "gpu")]
pub(super) fn bias_bar(
    commands: &mut Commands,
    dst_bar: &Tensor,
    [outer, channels, inner]: [usize; 3],
    sums: &mut [Option<OpenSum>],
    of: usize,
) -> Result<Option<Tensor>> {
    let at = Rows { outer, channels, inner, over: Over::Samples };
    let Tiles { tiles, .. } = Tiles::new(&Factor::None, &at);
    let partial = Partial::find(commands, sums, &[of], &KERNEL, &[channels, tiles])?;
    add_up(commands, dst_bar, Factor::None, &at, dst_bar.dtype(), &partial)?;
    partial.leave(commands, sums, of, &KERNEL, move |commands, partial| {
        if tiles == 1 { partial.reshape(&[channels]) } else { sum_rows(commands, partial, 0, tiles, &[channels]) }
    })
}

/// Sums `dst_bar`, seen as `at`, per channel and segment.
#[cfg(feature = "gpu")]
pub(super) fn channel_sums(
    commands: &mut Commands,
    dst_bar: &Tensor,
    factor: Factor<'_>,
    at: &Rows,
    dtype: DType,
) -> Result<Sums> {
    let Tiles { kinds, segments, tiles, .. } = Tiles::new(&factor, at);
    let rows = kinds * at.channels * segments;
    let partial = Partial { tensor: commands.empty(&[rows, tiles], DType::F32)?, begun: false };
    add_up(commands, dst_bar, factor, at, dtype, &partial)?;
    let all = match tiles {
        1 => partial.tensor,
        _ => sum_rows(commands, &partial.tensor, 0, tiles, &[rows])?,
    };
    Ok(Sums::new(all, at.channels, segments))
}

/// Runs the kernel into `partial` `[kinds, channels, segments, tiles]`.
#[cfg(feature = "gpu")]
fn add_up(
    commands: &mut Commands,
    dst_bar: &Tensor,
    factor: Factor<'_>,
    at: &Rows,
    dtype: DType,
    partial: &Partial,
) -> Result<()> {
    let unread = commands.empty(&[1], DType::F32)?;
    let (mode, x, mean, variance, eps) = match factor {
        Factor::None => (0, dst_bar, &unread, &unread, 1.0),
        Factor::Plain(x) => (0, x, &unread, &unread, 1.0),
        Factor::Scaled { x, variance, eps } => (1, x, &unread, variance, eps),
        Factor::Centred { x, mean, variance, eps } => (2, x, mean, variance, eps),
        Factor::Shifted { x, mean, variance, eps } => (3, x, mean, variance, eps),
    };
    let (row_outer, row_channels, row_inner) = match at.over {
        Over::Group(groups) => (groups, at.channels / groups, 0),
        Over::Channels => (at.inner, at.channels, 1),
        Over::Samples => (0, 1, 0),
    };
    let Tiles { kinds, segments, len, tiles } = Tiles::new(&factor, at);
    let params = Params {
        channels: at.channels as u32,
        inner: at.inner as u32,
        segments: segments as u32,
        len: len as u32,
        tiles: tiles as u32,
        kinds: kinds as u32,
        mode,
        row_outer: row_outer as u32,
        row_channels: row_channels as u32,
        row_inner,
        eps,
        begun: partial.begun.into(),
    };
    let binds = [read(x), read(dst_bar), read(mean), read(variance), partial.bind()];
    let work = Work::workgroups(at.channels * segments * tiles)
        .rounds(TILE / WORKGROUP as usize + 16)
        .flops((2 * kinds - 1) * dst_bar.len());
    commands.dispatch(&KERNEL, dtype, &[], &params, &binds, work)
}

#[cfg(feature = "gpu")]
impl Sums {
    /// Sums `[kinds, channels, segments]` that another kernel found.
    pub fn new(all: Tensor, channels: usize, segments: usize) -> Sums {
        Sums { all, channels, segments }
    }

    /// The sums of the cotangent, `[channels]`.
    pub fn plain(&self, commands: &mut Commands) -> Result<Tensor> {
        sum_rows(commands, &self.all, 0, self.segments, &[self.channels])
    }

    /// The sums of the cotangent times its factor, `[channels]`.
    pub fn along(&self, commands: &mut Commands) -> Result<Tensor> {
        sum_rows(commands, &self.all, self.channels * self.segments, self.segments, &[self.channels])
    }
}
