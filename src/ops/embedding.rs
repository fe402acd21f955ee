//! Rows of a table by index, laid along a new channel axis.

use super::layout::indexable;
use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::{Channels, Real, embedding as cpu};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::{DType, WORKGROUP};
use crate::kernel::{Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Tape, Var};

crate::params! {
    /// Parameters of the forward kernel.
    struct Params { len: u32, rows: u32, width: u32, inner: u32 }
}

crate::params! {
    /// Parameters of the backward kernel.
    struct ParamsBwd { positions: u32, rows: u32, width: u32, inner: u32 }
}

/// Channels of one workgroup of the backward kernel, as in the shader.
#[cfg(feature = "gpu")]
const BLOCK: usize = 8;

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "embedding",
    source: source!("embedding", "grid"),
    params: Params::FIELDS,
    bindings: &[
        input("indices", Elem::U32, "[outer, inner]"),
        input("table", Elem::Storage, "[rows, width]"),
        output("dst", Elem::Storage, "[outer, width, inner]"),
    ],
    constants: &[],
};

/// Cotangent of the table.
pub static BACKWARD: Kernel = Kernel {
    name: "embedding_bwd",
    source: source!("embedding_bwd", "grid", "reduce"),
    params: ParamsBwd::FIELDS,
    bindings: &[
        input("indices", Elem::U32, "[outer, inner]"),
        input("dst_bar", Elem::Storage, "[outer, width, inner]"),
        output("table_bar", Elem::F32, "[rows, width]"),
    ],
    constants: &[],
};

/// A lookup with fixed extents.
#[derive(Clone, Debug)]
pub struct Embedding {
    indices: Vec<usize>,
    rows: usize,
    at: Channels,
    dst: Vec<usize>,
}

impl Embedding {
    /// A lookup in `table` `[V, D]`; `D` becomes axis `axis` of the result, from 1 to the number of the indices' axes.
    ///
    /// # Errors
    /// `Shape` for a table without two axes or another axis, `Index` past 32 bits.
    pub fn new(indices: &[usize], table: &[usize], axis: usize) -> Result<Embedding> {
        let &[rows, width] = table else {
            return Err(Error::argument(ErrorKind::Shape, "embedding", "table", format!("{table:?}"), "[V, D]"));
        };
        if axis == 0 || axis > indices.len() {
            let wanted = format!("1 to {} for indices of {indices:?}", indices.len());
            return Err(Error::argument(ErrorKind::Shape, "embedding", "axis", axis, wanted));
        }
        let mut dst = indices.to_vec();
        dst.insert(axis, width);
        indexable("embedding", &dst)?;
        indexable("embedding", table)?;
        let (outer, inner) = (indices[..axis].iter().product(), indices[axis..].iter().product());
        Ok(Embedding { indices: indices.to_vec(), rows, at: Channels { outer, channels: width, inner }, dst })
    }
}

impl Op for Embedding {
    fn name(&self) -> &'static str {
        "embedding"
    }
    fn inputs(&self) -> Vec<Port> {
        vec![Port::u32("indices", &self.indices), Port::storage("table", &[self.rows, self.at.channels])]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::storage("dst", &self.dst)]
    }
    fn parameters(&self) -> &'static [&'static str] {
        &["table"]
    }
    fn index_inputs(&self) -> Vec<(usize, usize)> {
        vec![(0, self.rows)]
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(inputs[0], inputs[1], &self.at)]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        let table_bar = cpu::backward(inputs[0], inputs[1].len(), cotangents[0], &self.at);
        vec![vec![R::zero(); inputs[0].len()], table_bar]
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], dtype: DType) -> Result<Vec<Tensor>> {
        let dst = commands.empty(&self.dst, dtype)?;
        let [len, rows, width, inner] = [dst.len(), self.rows, self.at.channels, self.at.inner].map(|v| v as u32);
        let binds = [read(inputs[0]), read(inputs[1]), write(&dst)];
        let params = Params { len, rows, width, inner };
        commands.dispatch(&FORWARD, dtype, &[], &params, &binds, Work::invocations(dst.len()))?;
        Ok(vec![dst])
    }
    #[cfg(feature = "gpu")]
    fn backward(
        &self,
        commands: &mut Commands,
        inputs: &[&Tensor],
        cotangents: &[Option<&Tensor>],
        needs: &[bool],
        dtype: DType,
    ) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = cotangents[0].filter(|_| needs[1]) else { return Ok(vec![None, None]) };
        let table_bar = commands.empty(&[self.rows, self.at.channels], DType::F32)?;
        let count = self.at.positions();
        let [positions, rows, width, inner] = [count, self.rows, self.at.channels, self.at.inner].map(|v| v as u32);
        let work = Work::workgroups(self.rows * self.at.channels.div_ceil(BLOCK))
            .rounds(count.div_ceil(WORKGROUP as usize) + 8 * BLOCK)
            .flops(g.len());
        let binds = [read(inputs[0]), read(g), write(&table_bar)];
        commands.dispatch(&BACKWARD, dtype, &[], &ParamsBwd { positions, rows, width, inner }, &binds, work)?;
        Ok(vec![None, Some(table_bar)])
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// The rows of `table` `[V, D]` that `indices` (u32, any extents) name, with `D` as axis `axis` of the result: axis
    /// 1 makes `[B, D, H, W]` of indices `[B, H, W]`, the number of the indices' axes appends it. An index past the
    /// table gives NaN; a checked context refuses it.
    ///
    /// # Errors
    /// `Shape`, `DType`, `Index`; as [`Commands::apply`].
    pub fn embedding(&mut self, indices: &Tensor, table: &Tensor, axis: usize) -> Result<Tensor> {
        let op = Embedding::new(indices.shape(), table.shape(), axis)?;
        Ok(self.apply(&op, &[indices, table])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::embedding`](crate::Commands::embedding), differentiable in `table`, whose gradient is f32: a sum
    /// of fixed order over the positions, to which those with an index past the table contribute nothing.
    ///
    /// # Errors
    /// As [`Commands::embedding`](crate::Commands::embedding); the reference backend refuses an index past the table
    /// with `Index`.
    pub fn embedding(&mut self, indices: Var, table: Var, axis: usize) -> Result<Var> {
        let op = Embedding::new(&self.spec(indices)?.shape, &self.spec(table)?.shape, axis)?;
        self.apply_one(op, &[indices, table])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "embedding",
    formula: "dst[o,d,i] = table[indices[o,i],d]",
    differentiable: true,
    kernels: &[&FORWARD, &BACKWARD],
    cases,
};

fn cases() -> Vec<Case> {
    let case = |indices: &[usize], table: [usize; 2], axis: usize, values: &[f64]| {
        let op = Embedding::new(indices, &table, axis).ok()?;
        let label = format!("{indices:?} of {table:?} at {axis}");
        Some(Case::new(label, op, vec![Fill::Values(values.to_vec()), Fill::Uniform]).linear())
    };
    let mixed = [3.0, 0.0, 1.0, 4.0, 1.0, 2.0, 0.0, 4.0, 4.0, 3.0, 2.0];
    let mut cases: Vec<Case> = [
        case(&[0, 3], [5, 4], 1, &mixed),
        case(&[1], [1, 1], 1, &[0.0]),
        case(&[2, 3, 3], [5, 7], 1, &mixed),
        case(&[2, 3, 3], [5, 8], 3, &mixed),
        case(&[3, 5], [6, 9], 2, &mixed),
        case(&[2, 4, 5], [5, 17], 2, &mixed),
        // More positions than lanes, and rows that nothing names.
        case(&[2, 65], [70, 3], 1, &[69.0, 0.0, 7.0]),
        // One row named everywhere: the longest sum.
        case(&[3, 9, 9], [2, 2], 1, &[1.0]),
        case(&[4, 0], [3, 2], 1, &mixed),
    ]
    .into_iter()
    .flatten()
    .collect();
    cases.extend(case(&[2, 3], [5, 2], 1, &mixed).map(Case::ladder));
    cases.extend(case(&[100, 9, 9], [10, 512], 1, &mixed).map(Case::bench));
    cases
}
