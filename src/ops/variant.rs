//! The ways in which products of matrices, linear maps and convolutions are computed, and who chooses among them. Not an op:
//! what these three share.

#[cfg(feature = "gpu")]
use super::cooperative;
#[cfg(feature = "gpu")]
use super::sum_columns::{Split, split_into};
#[cfg(feature = "gpu")]
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Context, Tensor};
#[cfg(feature = "gpu")]
use crate::kernel::DType;

/// Which kernels run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Variant {
    /// One element an invocation.
    Plain,
    /// A tile of registers.
    Registers,
    /// Operands staged in workgroup memory.
    Staged,
    /// Cooperative matrices, for f16 alone.
    Cooperative,
}

impl Variant {
    /// Those that every device runs.
    #[cfg(feature = "gpu")]
    pub const TILED: [Variant; 3] = [Variant::Plain, Variant::Registers, Variant::Staged];

    /// All of them.
    pub const ALL: [Variant; 4] = [Variant::Plain, Variant::Registers, Variant::Staged, Variant::Cooperative];

    /// As cases and pins name it.
    pub fn name(self) -> &'static str {
        match self {
            Variant::Plain => "plain",
            Variant::Registers => "reg",
            Variant::Staged => "staged",
            Variant::Cooperative => "cooperative",
        }
    }
}

#[cfg(feature = "gpu")]
impl Variant {
    /// What a program has pinned for an op with these extents, if it is among the op's `candidates` and, for cooperative
    /// matrices, the device can run it.
    pub fn pinned(
        context: &Context,
        op: &str,
        dtype: DType,
        extents: &[usize],
        candidates: &[Variant],
    ) -> Result<Option<Variant>> {
        let Some(name) = context.pinned_variant(op, dtype, extents) else { return Ok(None) };
        let pinned = candidates.iter().copied().find(|variant| variant.name() == name);
        let serves = pinned != Some(Variant::Cooperative) || cooperative::serves(context, dtype)?;
        Ok(pinned.filter(|_| serves))
    }

    /// The choice for matrices whose shorter side is `least`. Of one row or column a tile of registers loads as much as the
    /// plain kernel. Workgroup memory is for GPUs, once half a tile of it is used: on software drivers it gains nothing, and
    /// loses half where tiles are not full. The batch size plays no part: results must not depend on it.
    pub fn choose(least: usize, is_software: bool) -> Variant {
        match least {
            0 | 1 => Variant::Plain,
            _ if is_software || least < SIDE / 2 => Variant::Registers,
            _ => Variant::Staged,
        }
    }
}

/// What is added to a product.
#[cfg(feature = "gpu")]
#[derive(Clone, Copy, Default)]
pub(super) struct Terms<'a> {
    /// To each row, `[rows]`.
    pub bias: Option<&'a Tensor>,
    /// To each element.
    pub addend: Option<&'a Tensor>,
}

/// Rows and columns of a workgroup that stages its operands, as in the shaders.
#[cfg(feature = "gpu")]
pub(super) const SIDE: usize = 64;

/// Cuts a sum over `terms` for `blocks` workgroups that stage their operands: 2,048 of them fill a large GPU.
#[cfg(feature = "gpu")]
pub(super) fn split_staged(terms: usize, blocks: usize) -> Split {
    split_into(terms, 2048 / blocks.max(1), 256)
}
