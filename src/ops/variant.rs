//! The ways in which products of matrices, linear maps and convolutions are computed, and who chooses among them. Not an op:
//! what these three share.

use super::spec::Port;
#[cfg(feature = "gpu")]
use super::{
    call::Partial,
    cooperative,
    sum_columns::{Split, split_into, sum_columns},
};
#[cfg(feature = "gpu")]
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Context, Tensor};
#[cfg(feature = "gpu")]
use crate::kernel::{DType, Kernel};
#[cfg(feature = "gpu")]
use crate::tape::OpenSum;

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

/// Which inputs of a product follow its operands: a bias, then an addend.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extra {
    pub biased: bool,
    pub added: bool,
}

impl Extra {
    /// Their ports: a bias for each of the `rows`, an addend like the result.
    pub fn ports(self, rows: usize, dst: &[usize]) -> Vec<Port> {
        let bias = self.biased.then(|| Port::storage("bias", &[rows]));
        bias.into_iter().chain(self.added.then(|| Port::storage("addend", dst))).collect()
    }

    /// Bias and addend among the inputs.
    pub fn of<'a, T: ?Sized>(self, inputs: &[&'a T]) -> [Option<&'a T>; 2] {
        let bias = if self.biased { inputs.get(2).copied() } else { None };
        let addend = if self.added { inputs.last().copied() } else { None };
        [bias, addend]
    }

    /// The cotangents of all inputs, in their order; the addend's is that of the result.
    pub fn arranged<T: Clone>(self, [x, w, bias]: [T; 3], dst: T) -> Vec<T> {
        let mut all = vec![x, w];
        all.extend(self.biased.then_some(bias));
        all.extend(self.added.then_some(dst));
        all
    }

    #[cfg(feature = "gpu")]
    pub fn terms<'a>(self, inputs: &[&'a Tensor]) -> Terms<'a> {
        let [bias, addend] = self.of(inputs);
        Terms { bias, addend }
    }
}

/// The first stage of the cotangents of weights and bias: sums by tiles, `[tiles, weights]`, or with the bias' behind the
/// weights'.
#[cfg(feature = "gpu")]
pub(super) struct WeightSums<'a> {
    pub kernel: &'static Kernel,
    pub tiles: usize,
    /// Extents of the weights, input 1.
    pub weights: &'a [usize],
    /// Whether the weights' cotangent is needed.
    pub needs_weights: bool,
    /// The length of the bias, input 2, if the kernel sums its cotangent too.
    pub bias: Option<usize>,
}

#[cfg(feature = "gpu")]
impl WeightSums<'_> {
    /// Runs `dispatch` into the call's sums, or into its own where those are taken, and reduces these at once.
    pub fn record(
        self,
        commands: &mut Commands,
        sums: &mut [Option<OpenSum>],
        dispatch: impl FnOnce(&mut Commands, &Partial) -> Result<()>,
    ) -> Result<[Option<Tensor>; 2]> {
        let weights: usize = self.weights.iter().product();
        let needed = [(1, self.needs_weights), (2, self.bias.is_some())];
        let of: Vec<usize> = needed.into_iter().filter_map(|(input, needed)| needed.then_some(input)).collect();
        let partial = Partial::find(commands, sums, &of, self.kernel, &[self.tiles, weights + self.bias.unwrap_or(0)])?;
        dispatch(commands, &partial)?;
        let mut found = [None, None];
        if self.needs_weights {
            let shape = self.weights.to_vec();
            let close = move |commands: &mut Commands, partial: &Tensor| sum_columns(commands, partial, 0, &shape);
            found[0] = partial.leave(commands, sums, 1, self.kernel, close)?;
        }
        if let Some(len) = self.bias {
            let close =
                move |commands: &mut Commands, partial: &Tensor| sum_columns(commands, partial, weights, &[len]);
            found[1] = partial.leave(commands, sums, 2, self.kernel, close)?;
        }
        Ok(found)
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
