//! The second stage of gradients of parameters, and how the first is cut. Not an op: it has no reference of its own, the
//! ops that use it have.

#[cfg(feature = "gpu")]
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::DType;
use crate::kernel::{Elem, Kernel, Params as _, input, output, source};

crate::params! {
    /// Parameters of the kernel.
    struct Params { len: u32, rows: u32, stride: u32, offset: u32 }
}

/// Sums of the columns of a matrix of f32.
pub(super) static KERNEL: Kernel = Kernel {
    name: "sum_columns",
    source: source!("sum_columns", "grid"),
    params: Params::FIELDS,
    bindings: &[input("src", Elem::F32, "[rows, stride]"), output("dst", Elem::F32, "[len]")],
    constants: &[],
};

/// `dst[j] = sum_t src[t, offset + j]` for a matrix `src` `[rows, stride]`, in the order of `t`.
#[cfg(feature = "gpu")]
pub(super) fn sum_columns(commands: &mut Commands, src: &Tensor, offset: usize, shape: &[usize]) -> Result<Tensor> {
    let dst = commands.empty(shape, DType::F32)?;
    let (rows, stride) = (src.shape()[0], src.shape()[1]);
    let params = Params { len: dst.len() as u32, rows: rows as u32, stride: stride as u32, offset: offset as u32 };
    let work = Work::invocations(dst.len()).rounds(rows).flops(dst.len() * rows);
    commands.dispatch(&KERNEL, DType::F32, &[], &params, &[read(src), write(&dst)], work)?;
    Ok(dst)
}

/// How a sum over many terms is cut into tiles that are summed apart.
#[cfg(feature = "gpu")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Split {
    /// Terms of one tile.
    pub run: usize,
    /// At least 1, so that a sum of nothing is zero and not undefined.
    pub tiles: usize,
}

/// Cuts `terms` for a kernel that runs `invocations` for each tile: enough tiles to fill a device, none of fewer than 128
/// terms, for the second stage costs too, and none of more than 4096, for one invocation adds them one by one.
#[cfg(feature = "gpu")]
pub(super) fn split(terms: usize, invocations: usize) -> Split {
    split_into(terms, 8192 / invocations.max(1), 128)
}

/// The same for kernels that only GPUs run and that bring little but loads: these need more invocations to be busy.
#[cfg(feature = "gpu")]
pub(super) fn split_wide(terms: usize, invocations: usize, least: usize) -> Split {
    split_into(terms, 32768 / invocations.max(1), least)
}

/// About `tiles` tiles, none of fewer than `least` terms and none of more than 4096.
#[cfg(feature = "gpu")]
pub(super) fn split_into(terms: usize, tiles: usize, least: usize) -> Split {
    let filling = tiles.clamp(1, terms.div_ceil(least).max(1));
    let run = terms.div_ceil(filling.max(terms.div_ceil(4096))).max(1);
    Split { run, tiles: terms.div_ceil(run).max(1) }
}

#[cfg(all(test, feature = "gpu"))]
mod tests {
    use super::{split, split_wide};

    #[test]
    fn tiles_cover_the_terms_and_stay_short() {
        for terms in [0, 1, 63, 64, 65, 648, 4096, 4097, 8191, 1_000_003] {
            for invocations in [0, 1, 24, 8192, 1 << 20] {
                for s in [split(terms, invocations), split_wide(terms, invocations, 2)] {
                    assert!(s.run * s.tiles >= terms && s.run <= 4096 && s.tiles >= 1, "{terms} {invocations}: {s:?}");
                    assert!(
                        s.tiles == 1 || s.run * (s.tiles - 1) < terms,
                        "{terms} {invocations}: an empty tile: {s:?}"
                    );
                }
            }
        }
    }
}
