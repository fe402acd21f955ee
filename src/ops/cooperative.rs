//! Products by cooperative matrices, which a subgroup multiplies as one: f16 operands, f32 sums. What `matmul`,
//! `linear` and `conv2d` share; not an op itself, the kernels carry the stem of the first.
//!
//! The feature is experimental in wgpu, and known to give wrong numbers on some drivers. So it runs only where
//! [`trusted_tile`] found its products to be right, and elsewhere nothing changes.

#[cfg(feature = "gpu")]
#[path = "cooperative_trust.rs"]
mod trust;

#[cfg(feature = "gpu")]
use super::call::Partial;
#[cfg(feature = "gpu")]
use super::sum_columns::sum_columns;
#[cfg(feature = "gpu")]
use super::variant::Terms;
#[cfg(feature = "gpu")]
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Context, Tensor, Work, read, write};
use crate::kernel::{Constant, Elem, Kernel, Params as _, input, output, source, sum};
#[cfg(feature = "gpu")]
use crate::kernel::{DType, WORKGROUP};

#[cfg(feature = "gpu")]
use crate::tape::OpenSum;
#[cfg(feature = "gpu")]
pub(super) use trust::{demanded_tile, serves, suits};
#[cfg(feature = "gpu")]
pub use trust::{self_test, trusted_tile};

crate::params! {
    /// Parameters of the product.
    struct Params { batch: u32, rows: u32, columns: u32, depth: u32, a_batch: u32, a_row: u32, b_batch: u32, begun: u32 }
}

crate::params! {
    /// Parameters of packing.
    struct ParamsPack {
        batch: u32, rows: u32, columns: u32, padded_rows: u32, padded_columns: u32, batch_step: u32,
        row_run: u32, row_jump: u32, row_step: u32, column_run: u32, column_jump: u32, column_step: u32,
    }
}

crate::params! {
    /// Parameters of unpacking.
    struct ParamsUnpack {
        batch: u32, rows: u32, columns: u32, padded_rows: u32, padded_columns: u32, batch_step: u32,
        row_run: u32, row_jump: u32, row_step: u32, column_run: u32, column_jump: u32, column_step: u32, shifted: u32,
        added: u32,
    }
}

/// Invocations of a subgroup.
const LANES: &[u32] = &[8, 16, 32, 64];

/// The edge of a matrix, and the invocations of the subgroup that multiplies it.
pub(super) const CONSTANTS: &[Constant] =
    &[Constant { name: "EDGE", values: &[8, 16] }, Constant { name: "LANES", values: LANES }];

/// The product.
pub static PRODUCT: Kernel = Kernel {
    name: "matmul_cooperative",
    source: source!("matmul_cooperative", "grid", "cooperative").cooperative(),
    params: Params::FIELDS,
    bindings: &[
        input("a", Elem::Storage, "[batch, rows, depth]"),
        input("b", Elem::Storage, "[batch, depth, columns]"),
        sum("dst", Elem::F32, "[batch, rows, columns]"),
    ],
    constants: CONSTANTS,
};

/// An operand, filled up.
pub static PACK: Kernel = Kernel {
    name: "matmul_cooperative_pack",
    source: source!("matmul_cooperative_pack", "grid", "patch"),
    params: ParamsPack::FIELDS,
    bindings: &[
        input("src", Elem::Storage, "a view [batch, rows, columns]"),
        output("packed", Elem::Storage, "[batch, padded_rows, padded_columns]"),
    ],
    constants: &[],
};

/// The result without the filling.
pub static UNPACK: Kernel = Kernel {
    name: "matmul_cooperative_unpack",
    source: source!("matmul_cooperative_unpack", "grid", "patch"),
    params: ParamsUnpack::FIELDS,
    bindings: &[
        input("src", Elem::F32, "[batch, padded_rows, padded_columns]"),
        input("shift", Elem::Storage, "[rows]"),
        input("addend", Elem::Storage, "a view [batch, rows, columns]"),
        output("dst", Elem::Storage, "a view [batch, rows, columns]"),
    ],
    constants: &[],
};

/// Rows or columns of a view: element `i` lies `(i / run) jump + (i % run) step` further.
#[cfg(feature = "gpu")]
#[derive(Clone, Copy)]
pub(super) struct Axis {
    len: usize,
    run: usize,
    jump: usize,
    step: usize,
}

#[cfg(feature = "gpu")]
impl Axis {
    /// Elements at equal distances.
    pub fn even(len: usize, step: usize) -> Axis {
        Axis { len, run: len.max(1), jump: 0, step }
    }

    /// Runs of neighbours.
    pub fn runs(len: usize, run: usize, jump: usize) -> Axis {
        Axis { len, run: run.max(1), jump, step: 1 }
    }
}

/// A tensor seen as a batch of matrices.
#[cfg(feature = "gpu")]
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub tensor: &'a Tensor,
    pub batch_step: usize,
    pub rows: Axis,
    pub columns: Axis,
}

/// A product of views of the same batch.
#[cfg(feature = "gpu")]
pub(super) struct Product<'a> {
    pub batch: usize,
    pub a: View<'a>,
    pub b: View<'a>,
}

#[cfg(feature = "gpu")]
impl<'a> Product<'a> {
    /// Of two matrices.
    pub fn of(a: View<'a>, b: View<'a>) -> Product<'a> {
        Product { batch: 1, a, b }
    }

    /// Records the product into `dst`, with `terms` added.
    pub fn record(&self, commands: &mut Commands, edge: u32, dst: &View<'_>, terms: Terms<'_>) -> Result<()> {
        let sizes = self.sizes(edge, 1);
        let shape = [self.batch, sizes.rows * sizes.columns];
        let sums = Partial { tensor: commands.empty(&shape, DType::F32)?, begun: false };
        self.add_up(commands, edge, 1, &sums)?;
        unpack(commands, &sums.tensor, self.batch, sizes, dst, terms)
    }

    /// Records a product of two matrices that is one long sum, cut into parts that are multiplied apart: the cotangent `shape`
    /// of input `of` of a call, summed over calls.
    pub fn record_long(
        &self,
        commands: &mut Commands,
        edge: u32,
        shape: &[usize; 2],
        sums: &mut [Option<OpenSum>],
        of: usize,
    ) -> Result<Option<Tensor>> {
        let parts = self.sizes(edge, 1).parts(edge, 1, self.a.columns.len);
        let sizes = self.sizes(edge, parts);
        let Sizes { rows, columns, .. } = sizes;
        let partial = Partial::find(commands, sums, &[of], &PRODUCT, &[parts, rows * columns])?;
        self.add_up(commands, edge, parts, &partial)?;
        let shape = *shape;
        partial.leave(commands, sums, of, &PRODUCT, move |commands, partial| {
            let whole = add_parts(commands, partial)?;
            let found = commands.empty(&shape, DType::F32)?;
            let (rows, columns) = (Axis::even(shape[0], shape[1]), Axis::even(shape[1], 1));
            let dst = View { tensor: &found, batch_step: 0, rows, columns };
            unpack(commands, &whole, 1, sizes, &dst, Terms::default())?;
            Ok(found)
        })
    }

    /// Sums of the products, in `parts` of which there is one where there is a batch.
    fn add_up(&self, commands: &mut Commands, edge: u32, parts: usize, sums: &Partial) -> Result<()> {
        let sizes = self.sizes(edge, parts);
        let Sizes { rows, columns, depth } = sizes;
        let a = self.a.packed(commands, self.batch, rows, depth)?;
        let b = self.b.packed(commands, self.batch, depth, columns)?;
        let part = depth / parts;
        let params = Params {
            batch: (self.batch * parts) as u32,
            rows: rows as u32,
            columns: columns as u32,
            depth: part as u32,
            a_batch: if parts == 1 { rows * depth } else { part } as u32,
            a_row: depth as u32,
            b_batch: (part * columns) as u32,
            begun: sums.begun.into(),
        };
        let (constants, work) = Sizes { depth: part, ..sizes }.work(commands.context(), edge, self.batch * parts, 1);
        let work = work.flops(2 * self.batch * rows * columns * depth);
        commands.dispatch(&PRODUCT, DType::F16, &constants, &params, &[read(&a), read(&b), sums.bind()], work)
    }

    fn sizes(&self, edge: u32, parts: usize) -> Sizes {
        Sizes::new(self.a.rows.len, self.b.columns.len, self.a.columns.len, edge, parts)
    }
}

/// The sum of parts `[parts, len]`.
#[cfg(feature = "gpu")]
pub(super) fn add_parts(commands: &mut Commands, partial: &Tensor) -> Result<Tensor> {
    match partial.shape() {
        [1, _] => Ok(partial.clone()),
        shape => sum_columns(commands, partial, 0, &shape[1..]),
    }
}

/// What a product's sums are without the filling, in the order of `dst` and with `terms` added.
#[cfg(feature = "gpu")]
pub(super) fn unpack(
    commands: &mut Commands,
    sums: &Tensor,
    batch: usize,
    sizes: Sizes,
    dst: &View<'_>,
    terms: Terms<'_>,
) -> Result<()> {
    let View { tensor: dst, batch_step, rows, columns } = *dst;
    let params = ParamsUnpack {
        batch: batch as u32,
        rows: rows.len as u32,
        columns: columns.len as u32,
        padded_rows: sizes.rows as u32,
        padded_columns: sizes.columns as u32,
        batch_step: batch_step as u32,
        row_run: rows.run as u32,
        row_jump: rows.jump as u32,
        row_step: rows.step as u32,
        column_run: columns.run as u32,
        column_jump: columns.jump as u32,
        column_step: columns.step as u32,
        shifted: terms.bias.is_some().into(),
        added: terms.addend.is_some().into(),
    };
    let unread = commands.empty(&[1], dst.dtype())?;
    let binds = [read(sums), read(terms.bias.unwrap_or(&unread)), read(terms.addend.unwrap_or(&unread)), write(dst)];
    let work = patches(batch, rows.len, columns.len);
    commands.dispatch(&UNPACK, dst.dtype(), &[], &params, &binds, work)
}

/// Extents of a product with the filling.
#[cfg(feature = "gpu")]
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    pub rows: usize,
    pub columns: usize,
    pub depth: usize,
}

#[cfg(feature = "gpu")]
impl Sizes {
    /// Of extents without it; the summed one splits into `parts`.
    pub fn new(rows: usize, columns: usize, depth: usize, edge: u32, parts: usize) -> Sizes {
        let edge = edge as usize;
        Sizes {
            rows: rows.next_multiple_of(8 * edge),
            columns: columns.next_multiple_of(8 * edge),
            depth: depth.next_multiple_of(2 * edge * parts),
        }
    }

    /// How many parts the long sums of a batch of products are cut into: enough to fill a device, none of fewer than 512
    /// of the `terms`.
    pub fn parts(&self, edge: u32, batch: usize, terms: usize) -> usize {
        let blocks = batch * self.rows * self.columns / (64 * (edge * edge) as usize);
        (512 / blocks.max(1)).clamp(1, terms.div_ceil(512).max(1))
    }

    /// The constants of a kernel of cooperative matrices and its work, for sums of `steps` times as many terms.
    pub fn work(&self, context: &Context, edge: u32, batch: usize, steps: usize) -> ([(&'static str, u32); 2], Work) {
        let (e, lanes) = (edge as usize, context.info().subgroup_min_size);
        let turns = (edge * edge / lanes) as usize;
        // Each step is loaded, staged and multiplied.
        let rounds = (steps * (self.depth / (2 * e)) + 1) * (2 * turns + 3);
        let work = Work::workgroups(batch * (self.rows / (8 * e)) * (self.columns / (8 * e))).rounds(rounds);
        ([("EDGE", edge), ("LANES", lanes)], work)
    }
}

/// Work of a kernel that takes patches of a batch of matrices.
#[cfg(feature = "gpu")]
fn patches(batch: usize, rows: usize, columns: usize) -> Work {
    /// As in the shaders.
    const PATCH: usize = 16;
    let groups = batch * rows.div_ceil(PATCH) * columns.div_ceil(PATCH);
    Work::workgroups(groups).rounds(PATCH * PATCH / WORKGROUP as usize)
}

#[cfg(feature = "gpu")]
impl View<'_> {
    pub fn transposed(self) -> Self {
        View { rows: self.columns, columns: self.rows, ..self }
    }

    /// Whether the matrices already lie row by row, with no room for zeros around.
    fn is_packed(&self, batch: usize, rows: usize, columns: usize) -> bool {
        let (r, c) = (self.rows, self.columns);
        let is_whole = (r.len, c.len) == (rows, columns) && (batch == 1 || self.batch_step == rows * columns);
        is_whole && r.run >= r.len && r.step == columns && c.run >= c.len && c.step == 1
    }

    /// The matrices with zeros around, row by row.
    pub fn packed(&self, commands: &mut Commands, batch: usize, rows: usize, columns: usize) -> Result<Tensor> {
        if self.is_packed(batch, rows, columns) {
            return Ok(self.tensor.clone());
        }
        let dtype = self.tensor.dtype();
        let packed = commands.empty(&[batch, rows, columns], dtype)?;
        let params = ParamsPack {
            batch: batch as u32,
            rows: self.rows.len as u32,
            columns: self.columns.len as u32,
            padded_rows: rows as u32,
            padded_columns: columns as u32,
            batch_step: self.batch_step as u32,
            row_run: self.rows.run as u32,
            row_jump: self.rows.jump as u32,
            row_step: self.rows.step as u32,
            column_run: self.columns.run as u32,
            column_jump: self.columns.jump as u32,
            column_step: self.columns.step as u32,
        };
        let binds = [read(self.tensor), write(&packed)];
        commands.dispatch(&PACK, dtype, &[], &params, &binds, patches(batch, rows, columns))?;
        Ok(packed)
    }
}
