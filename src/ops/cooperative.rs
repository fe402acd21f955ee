//! Products by cooperative matrices, which a subgroup multiplies as one: f16 operands, f32 sums. What `matmul` and `linear`
//! share; not an op itself, the kernels carry the stem of the first.
//!
//! The feature is experimental in wgpu, and known to give wrong numbers on some drivers. So it runs only where
//! [`trusted_tile`] found its products to be right, and elsewhere nothing changes.

#[cfg(feature = "gpu")]
use super::sum_columns::sum_columns;
#[cfg(feature = "gpu")]
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Context, Tensor, Work, read, write};
use crate::kernel::{Constant, Elem, Kernel, Params as _, input, output, source};
#[cfg(feature = "gpu")]
use crate::kernel::{DType, WORKGROUP};

crate::params! {
    /// Parameters of the product.
    struct Params { batch: u32, rows: u32, columns: u32, depth: u32, a_batch: u32, a_row: u32, b_batch: u32 }
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
    }
}

/// Invocations of a subgroup.
const LANES: &[u32] = &[8, 16, 32, 64];

/// The product.
pub static PRODUCT: Kernel = Kernel {
    name: "matmul_cooperative",
    source: source!("matmul_cooperative", "grid").cooperative(),
    params: Params::FIELDS,
    bindings: &[
        input("a", Elem::Storage, "[batch, rows, depth]"),
        input("b", Elem::Storage, "[batch, depth, columns]"),
        output("dst", Elem::F32, "[batch, rows, columns]"),
    ],
    constants: &[Constant { name: "EDGE", values: &[8, 16] }, Constant { name: "LANES", values: LANES }],
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

/// A product of views, all of the same batch, into one.
#[cfg(feature = "gpu")]
pub(super) struct Product<'a> {
    pub batch: usize,
    pub a: View<'a>,
    pub b: View<'a>,
    pub dst: View<'a>,
    /// Added to each row, `[rows]`.
    pub shift: Option<&'a Tensor>,
}

/// Extents from which on a subgroup's block of matrices is worth its filling.
#[cfg(feature = "gpu")]
const LEAST: usize = 64;

/// Whether cooperative matrices are to be chosen for `[rows, depth, columns]`: for f16, on a GPU whose products are right,
/// once a block is full, and as long as the device can bind the f32 sums of the result's `elements` with their filling.
#[cfg(feature = "gpu")]
pub(super) fn suits(context: &Context, dtype: DType, extents: [usize; 3], elements: usize) -> Result<bool> {
    let large = extents.iter().all(|extent| *extent >= LEAST);
    let fits = elements as u64 * 8 <= context.device().limits().max_storage_buffer_binding_size;
    Ok(large && fits && !context.is_software() && serves(context, dtype)?)
}

/// Whether they can run at all.
#[cfg(feature = "gpu")]
pub(super) fn serves(context: &Context, dtype: DType) -> Result<bool> {
    Ok(dtype == DType::F16 && trusted_tile(context)?.is_some())
}

/// Whether a workgroup of the product, and what it stages, fits the device, whose subgroups are all of one known size.
#[cfg(feature = "gpu")]
fn fits(context: &Context, edge: u32) -> bool {
    let (limits, info) = (context.device().limits(), context.info());
    let fours = 8 * edge * (edge / 2 + 2) + 2 * edge * (2 * edge + 2);
    info.subgroup_min_size == info.subgroup_max_size
        && LANES.contains(&info.subgroup_min_size)
        && limits.max_compute_workgroup_storage_size >= 8 * fours
        && limits.max_compute_invocations_per_workgroup >= 4 * info.subgroup_min_size
}

/// The edge of the cooperative matrices (f16 operands, f32 sums) whose products this device gets right: 8, 16, or `None`
/// where it has none or gets them wrong.
///
/// The first call multiplies some matrices of small integers, whose products are exact in any order, and compares every
/// element; it waits for the device, and later calls know the answer.
///
/// # Errors
/// `DeviceLost`, `Timeout`.
#[cfg(feature = "gpu")]
pub fn trusted_tile(context: &Context) -> Result<Option<u32>> {
    let Some(edge) = context.cooperative_tile().filter(|edge| fits(context, *edge)) else { return Ok(None) };
    let right = match context.cooperation() {
        Some(right) => right,
        None => {
            let right = match self_test(context, edge, 4) {
                Ok(wrong) => wrong == 0,
                Err(error) if error.is_recoverable() => false,
                Err(error) => return Err(error),
            };
            context.set_cooperation(right);
            right
        }
    };
    Ok(right.then_some(edge))
}

/// Multiplies random matrices of integers by cooperative matrices, `rounds` times those of three sizes, and counts the
/// elements that are wrong; see [`trusted_tile`], which asks for four rounds. More rounds find races that are rarer.
///
/// # Errors
/// `Feature` where the device has no such matrices; `Shader` if it does not compile them; as [`Commands::dispatch`].
#[cfg(feature = "gpu")]
pub fn self_test(context: &Context, edge: u32, rounds: usize) -> Result<usize> {
    // No extent of the first two is a multiple of a tile's; the sums of the last are long.
    const SIZES: [[usize; 4]; 3] = [[2, 100, 70, 50], [1, 33, 200, 130], [1, 128, 512, 64]];
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let mut number = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as i64 % 9
    };
    let mut wrong = 0;
    for [batch, rows, depth, columns] in std::iter::repeat_n(SIZES, rounds).flatten() {
        let a: Vec<i64> = (0..batch * rows * depth).map(|_| number()).collect();
        let b: Vec<i64> = (0..batch * depth * columns).map(|_| number()).collect();
        let upload = |data: &[i64], shape: [usize; 3]| {
            let floats: Vec<f32> = data.iter().map(|v| *v as f32).collect();
            Tensor::from_slice(context, &floats, &shape, DType::F16)
        };
        let (left, right) = (upload(&a, [batch, rows, depth])?, upload(&b, [batch, depth, columns])?);
        let mut commands = context.commands();
        let dst = commands.empty(&[batch, rows, columns], DType::F32)?;
        let view = |tensor, rows: usize, columns: usize| View {
            tensor,
            batch_step: rows * columns,
            rows: Axis::even(rows, columns),
            columns: Axis::even(columns, 1),
        };
        let product = Product {
            batch,
            a: view(&left, rows, depth),
            b: view(&right, depth, columns),
            dst: view(&dst, rows, columns),
            shift: None,
        };
        product.record(&mut commands, edge)?;
        let got = commands.read(&dst)?;
        for (at, got) in got.iter().enumerate() {
            let (z, m, n) = (at / (rows * columns), at / columns % rows, at % columns);
            let want: i64 = (0..depth).map(|k| a[(z * rows + m) * depth + k] * b[(z * depth + k) * columns + n]).sum();
            wrong += usize::from(*got != want as f32);
        }
    }
    Ok(wrong)
}

/// The edge of a device that must have trusted matrices: a case's.
#[cfg(feature = "gpu")]
pub(super) fn demanded_tile(context: &Context) -> Result<u32> {
    let missing = |why: &str| Error::new(ErrorKind::Feature, format!("cooperative matrices: {why}"));
    match trusted_tile(context)? {
        Some(edge) => Ok(edge),
        None if context.cooperative_tile().is_some() => Err(missing("this device's products are wrong")),
        None => Err(missing("the device has none with f16 operands and f32 sums")),
    }
}

#[cfg(feature = "gpu")]
impl Product<'_> {
    /// Records the product.
    pub fn record(&self, commands: &mut Commands, edge: u32) -> Result<()> {
        self.record_parts(commands, edge, 1)
    }

    /// As [`Product::record`] for one long sum without a batch, which is cut into parts that are multiplied apart.
    pub fn record_long(&self, commands: &mut Commands, edge: u32) -> Result<()> {
        // Enough parts to fill a device, none of fewer than 512 terms.
        let Sizes { rows, columns, .. } = self.sizes(edge, 1);
        let blocks = rows * columns / (64 * (edge * edge) as usize);
        let parts = (512 / blocks.max(1)).clamp(1, self.a.columns.len.div_ceil(512).max(1));
        self.record_parts(commands, edge, parts)
    }

    /// Of a batch there is one part only.
    fn record_parts(&self, commands: &mut Commands, edge: u32, parts: usize) -> Result<()> {
        let sizes = self.sizes(edge, parts);
        let Sizes { rows, columns, depth } = sizes;
        let a = self.a.packed(commands, self.batch, rows, depth)?;
        let b = self.b.packed(commands, self.batch, depth, columns)?;
        let sums = commands.empty(&[self.batch * parts, rows * columns], DType::F32)?;
        let part = depth / parts;
        let params = Params {
            batch: (self.batch * parts) as u32,
            rows: rows as u32,
            columns: columns as u32,
            depth: part as u32,
            a_batch: if parts == 1 { rows * depth } else { part } as u32,
            a_row: depth as u32,
            b_batch: (part * columns) as u32,
        };
        multiply(commands, edge, &params, [&a, &b, &sums])?;
        let sums = if parts == 1 { sums } else { sum_columns(commands, &sums, 0, &[rows * columns])? };
        self.unpack(commands, &sums, sizes)
    }

    /// Extents with the filling; the summed one splits into `parts`.
    fn sizes(&self, edge: u32, parts: usize) -> Sizes {
        let edge = edge as usize;
        Sizes {
            rows: self.a.rows.len.next_multiple_of(8 * edge),
            columns: self.b.columns.len.next_multiple_of(8 * edge),
            depth: self.a.columns.len.next_multiple_of(2 * edge * parts),
        }
    }

    fn unpack(&self, commands: &mut Commands, sums: &Tensor, sizes: Sizes) -> Result<()> {
        let View { tensor: dst, batch_step, rows, columns } = self.dst;
        let params = ParamsUnpack {
            batch: self.batch as u32,
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
            shifted: self.shift.is_some().into(),
        };
        let unread;
        let shift = match self.shift {
            Some(shift) => shift,
            None => {
                unread = commands.empty(&[1], dst.dtype())?;
                &unread
            }
        };
        let binds = [read(sums), read(shift), write(dst)];
        let work = patches(self.batch, rows.len, columns.len);
        commands.dispatch(&UNPACK, dst.dtype(), &[], &params, &binds, work)
    }
}

/// Extents of a product with the filling.
#[cfg(feature = "gpu")]
#[derive(Clone, Copy)]
struct Sizes {
    rows: usize,
    columns: usize,
    depth: usize,
}

#[cfg(feature = "gpu")]
fn multiply(commands: &mut Commands, edge: u32, params: &Params, [a, b, sums]: [&Tensor; 3]) -> Result<()> {
    let e = edge as usize;
    let [batch, rows, columns, depth] = [params.batch, params.rows, params.columns, params.depth].map(|v| v as usize);
    // Each step is loaded, staged and multiplied.
    let lanes = commands.context().info().subgroup_min_size;
    let turns = 4 * (edge * edge) / (4 * lanes);
    let rounds = (depth / (2 * e) + 1) * (2 * turns as usize + 3);
    let work = Work::workgroups(batch * (rows / (8 * e)) * (columns / (8 * e))).rounds(rounds);
    let work = work.flops(2 * batch * rows * columns * depth);
    commands.dispatch(
        &PRODUCT,
        DType::F16,
        &[("EDGE", edge), ("LANES", lanes)],
        params,
        &[read(a), read(b), write(sums)],
        work,
    )
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
