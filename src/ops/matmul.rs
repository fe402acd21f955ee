//! Products of matrices, each operand as it is or transposed, alone or in batches.

#[cfg(feature = "gpu")]
use super::cooperative::{self, Axis, Product};
use super::spec::{Op, OpSpec, Port};
use super::variant::Variant;
#[cfg(feature = "gpu")]
use super::variant::{SIDE, Terms};
use crate::cpu::Real;
use crate::cpu::matmul::{self as cpu, Extents};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Context, Tensor, Work, read, write};
use crate::kernel::DType;
#[cfg(feature = "gpu")]
use crate::kernel::WORKGROUP;
use crate::kernel::{Binding, Constant, Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Tape, Var};

#[path = "matmul_cases.rs"]
mod cases;

crate::params! {
    /// Parameters of both kernels.
    struct Params {
        batch: u32, rows: u32, columns: u32, depth: u32,
        a_batch: u32, a_row: u32, a_col: u32, b_batch: u32, b_row: u32, b_col: u32,
    }
}

const BINDINGS: &[Binding] = &[
    input("a", Elem::Storage, "[batch, rows, depth] or transposed"),
    input("b", Elem::Storage, "[batch, depth, columns] or transposed"),
    output("dst", Elem::Storage, "[batch, rows, columns]"),
];

/// Forward, and both cotangents.
pub static FORWARD: Kernel = Kernel {
    name: "matmul",
    source: source!("matmul", "grid"),
    params: Params::FIELDS,
    bindings: BINDINGS,
    constants: &[],
};

/// The same with a tile of registers.
pub static FORWARD_REG: Kernel = Kernel {
    name: "matmul_reg",
    source: source!("matmul_reg", "grid", "tile"),
    params: Params::FIELDS,
    bindings: BINDINGS,
    constants: &[Constant { name: "ACROSS", values: &[8, 64] }],
};

/// The same with operands staged in workgroup memory.
pub static FORWARD_STAGED: Kernel = Kernel {
    name: "matmul_staged",
    source: source!("matmul_staged", "grid", "tile", "staged"),
    params: Params::FIELDS,
    bindings: BINDINGS,
    constants: &[],
};

pub use super::cooperative::{PACK, PRODUCT, UNPACK};

/// Rows and columns of a tile of registers, as in the shader.
#[cfg(feature = "gpu")]
const TILE: usize = 8;

/// Which operands are transposed.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct MatmulOptions {
    /// `a` is `[K, M]`.
    pub transpose_a: bool,
    /// `b` is `[N, K]`.
    pub transpose_b: bool,
}

/// A product with fixed extents.
#[derive(Clone, Debug)]
pub struct Matmul {
    extents: Extents,
    is_batched: bool,
    /// A case's; otherwise the device decides.
    #[cfg_attr(not(feature = "gpu"), allow(dead_code))]
    variant: Option<Variant>,
}

impl Matmul {
    /// A product of `a` and `b`, both `[rows, columns]` or both `[batch, rows, columns]`.
    ///
    /// # Errors
    /// `Shape` if an operand has neither two nor three axes, if the batches or the summed axes differ; `Index` if an
    /// operand or the result has more elements than 32-bit indices reach.
    pub fn new(a: &[usize], b: &[usize], options: &MatmulOptions) -> Result<Matmul> {
        let refuse = |kind, argument: &str, got: &[usize], wanted: String| {
            Err(Error::argument(kind, "matmul", argument, format!("{got:?}"), wanted))
        };
        let MatmulOptions { transpose_a, transpose_b } = *options;
        let turned = |rows: usize, columns: usize, turn: bool| if turn { (columns, rows) } else { (rows, columns) };
        let (batch, (rows, depth)) = match *a {
            [r, c] => (None, turned(r, c, transpose_a)),
            [z, r, c] => (Some(z), turned(r, c, transpose_a)),
            _ => return refuse(ErrorKind::Shape, "a", a, "two axes, or three with a batch".into()),
        };
        let (b_batch, (b_depth, columns)) = match *b {
            [r, c] => (None, turned(r, c, transpose_b)),
            [z, r, c] => (Some(z), turned(r, c, transpose_b)),
            _ => return refuse(ErrorKind::Shape, "b", b, "two axes, or three with a batch".into()),
        };
        if (batch, depth) != (b_batch, b_depth) {
            let summed = if transpose_b { format!("N, {depth}") } else { format!("{depth}, N") };
            let wanted = batch.map_or(format!("[{summed}]"), |z| format!("[{z}, {summed}]"));
            return refuse(ErrorKind::Shape, "b", b, format!("{wanted} for a of {a:?}"));
        }
        let (is_batched, batch) = (batch.is_some(), batch.unwrap_or(1));
        for (argument, shape) in [("a", a), ("b", b), ("dst", &[batch, rows, columns])] {
            let elements = shape.iter().try_fold(1usize, |n, extent| n.checked_mul(*extent));
            if elements.is_none_or(|n| u32::try_from(n).is_err()) {
                let wanted = format!("at most {} elements, what 32-bit indices reach", u32::MAX);
                return refuse(ErrorKind::Index, argument, shape, wanted);
            }
        }
        let extents = Extents { batch, rows, columns, depth, transpose_a, transpose_b };
        Ok(Matmul { extents, is_batched, variant: None })
    }

    fn shape(&self, rows: usize, columns: usize, turn: bool) -> Vec<usize> {
        let (rows, columns) = if turn { (columns, rows) } else { (rows, columns) };
        if self.is_batched { vec![self.extents.batch, rows, columns] } else { vec![rows, columns] }
    }

    fn a_shape(&self) -> Vec<usize> {
        self.shape(self.extents.rows, self.extents.depth, self.extents.transpose_a)
    }

    fn b_shape(&self) -> Vec<usize> {
        self.shape(self.extents.depth, self.extents.columns, self.extents.transpose_b)
    }
}

/// A tensor read as a batch of matrices.
#[cfg(feature = "gpu")]
#[derive(Clone, Copy)]
struct View<'a> {
    tensor: &'a Tensor,
    rows: usize,
    columns: usize,
    is_turned: bool,
}

#[cfg(feature = "gpu")]
impl<'a> View<'a> {
    /// `rows x columns`, stored the other way round if `is_turned`.
    fn new(tensor: &'a Tensor, rows: usize, columns: usize, is_turned: bool) -> View<'a> {
        View { tensor, rows, columns, is_turned }
    }

    fn transposed(self) -> View<'a> {
        View { rows: self.columns, columns: self.rows, is_turned: !self.is_turned, ..self }
    }

    /// The same for cooperative matrices.
    fn axes(self) -> cooperative::View<'a> {
        let [batch_step, row, col] = self.strides().map(|v| v as usize);
        let (rows, columns) = (Axis::even(self.rows, row), Axis::even(self.columns, col));
        cooperative::View { tensor: self.tensor, batch_step, rows, columns }
    }

    /// Distances of samples, rows and columns.
    fn strides(&self) -> [u32; 3] {
        let (row, col) = if self.is_turned { (1, self.rows) } else { (self.columns, 1) };
        [self.rows * self.columns, row, col].map(|v| v as u32)
    }
}

#[cfg(feature = "gpu")]
impl Matmul {
    /// The variant for `[rows, depth, columns]`: a program's pin, cooperative matrices where they suit, else by extents.
    fn choose(&self, context: &Context, dtype: DType, extents: [usize; 3]) -> Result<Variant> {
        let [rows, depth, columns] = extents;
        let elements = self.extents.batch * rows * columns;
        Ok(match Variant::pinned(context, "matmul", dtype, &[rows, columns, depth], &Variant::ALL)? {
            Some(pinned) => pinned,
            None if cooperative::suits(context, dtype, extents, elements)? => Variant::Cooperative,
            None => Variant::choose(rows.min(columns), context.is_software()),
        })
    }

    fn product(&self, commands: &mut Commands, a: View<'_>, b: View<'_>) -> Result<Tensor> {
        let dst = commands.empty(&self.shape(a.rows, b.columns, false), a.tensor.dtype())?;
        let (batch, rows, columns, depth) = (self.extents.batch, a.rows, b.columns, a.columns);
        let ([a_batch, a_row, a_col], [b_batch, b_row, b_col]) = (a.strides(), b.strides());
        let params = Params {
            batch: batch as u32,
            rows: rows as u32,
            columns: columns as u32,
            depth: depth as u32,
            a_batch,
            a_row,
            a_col,
            b_batch,
            b_row,
            b_col,
        };
        let binds = [read(a.tensor), read(b.tensor), write(&dst)];
        let dtype = dst.dtype();
        let flops = 2 * dst.len() * depth;
        let context = commands.context();
        let variant = match self.variant {
            Some(variant) => variant,
            None => self.choose(context, dtype, [rows, depth, columns])?,
        };
        match variant {
            Variant::Plain => {
                let work = Work::invocations(dst.len()).rounds(depth).flops(flops);
                commands.dispatch(&FORWARD, dtype, &[], &params, &binds, work)?;
            }
            Variant::Registers => {
                // Few rows leave a high workgroup empty, few columns a wide one.
                let across = if rows <= TILE || columns >= 8 * WORKGROUP as usize { WORKGROUP as usize } else { 8 };
                let (wide, high) = (across * TILE, WORKGROUP as usize / across * TILE);
                let groups = batch * rows.div_ceil(high) * columns.div_ceil(wide);
                let work = Work::workgroups(groups).rounds(depth).flops(flops);
                commands.dispatch(&FORWARD_REG, dtype, &[("ACROSS", across as u32)], &params, &binds, work)?;
            }
            Variant::Staged => {
                let groups = batch * rows.div_ceil(SIDE) * columns.div_ceil(SIDE);
                // Each step is staged and multiplied.
                let work = Work::workgroups(groups).rounds(4 * depth + 8).flops(flops);
                commands.dispatch(&FORWARD_STAGED, dtype, &[], &params, &binds, work)?;
            }
            Variant::Cooperative => {
                let edge = cooperative::demanded_tile(context)?;
                let to = View::new(&dst, rows, columns, false);
                Product { batch, a: a.axes(), b: b.axes() }.record(commands, edge, &to.axes(), Terms::default())?;
            }
        }
        Ok(dst)
    }

    fn views<'a>(&self, inputs: &[&'a Tensor]) -> (View<'a>, View<'a>) {
        let e = &self.extents;
        let a = View::new(inputs[0], e.rows, e.depth, e.transpose_a);
        (a, View::new(inputs[1], e.depth, e.columns, e.transpose_b))
    }
}

impl Op for Matmul {
    fn name(&self) -> &'static str {
        "matmul"
    }
    fn inputs(&self) -> Vec<Port> {
        vec![Port::storage("a", &self.a_shape()), Port::storage("b", &self.b_shape())]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::storage("dst", &self.shape(self.extents.rows, self.extents.columns, false))]
    }
    fn dtype(&self) -> Option<DType> {
        (self.variant == Some(Variant::Cooperative)).then_some(DType::F16)
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(inputs[0], inputs[1], &self.extents)]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        cpu::backward(inputs[0], inputs[1], cotangents[0], &self.extents).into()
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], _: DType) -> Result<Vec<Tensor>> {
        let (a, b) = self.views(inputs);
        Ok(vec![self.product(commands, a, b)?])
    }
    #[cfg(feature = "gpu")]
    fn backward(
        &self,
        commands: &mut Commands,
        inputs: &[&Tensor],
        cotangents: &[Option<&Tensor>],
        needs: &[bool],
        _: DType,
    ) -> Result<Vec<Option<Tensor>>> {
        let mut all = vec![None, None];
        let Some(g) = cotangents[0] else { return Ok(all) };
        let e = &self.extents;
        let ((a, b), g) = (self.views(inputs), View::new(g, e.rows, e.columns, false));
        if needs[0] {
            let (left, right) = if e.transpose_a { (b, g.transposed()) } else { (g, b.transposed()) };
            all[0] = Some(self.product(commands, left, right)?);
        }
        if needs[1] {
            let (left, right) = if e.transpose_b { (g.transposed(), a) } else { (a.transposed(), g) };
            all[1] = Some(self.product(commands, left, right)?);
        }
        Ok(all)
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `a b` for matrices `a` `[M, K]` and `b` `[K, N]`, or for batches `[B, M, K]` and `[B, K, N]`; the options say
    /// which operand is stored transposed.
    ///
    /// # Errors
    /// `Shape`, `DType`, `Index`; as [`Commands::apply`].
    pub fn matmul(&mut self, a: &Tensor, b: &Tensor, options: MatmulOptions) -> Result<Tensor> {
        Ok(self.apply(&Matmul::new(a.shape(), b.shape(), &options)?, &[a, b])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::matmul`](crate::Commands::matmul), differentiable in both operands.
    ///
    /// # Errors
    /// As [`Commands::matmul`](crate::Commands::matmul).
    pub fn matmul(&mut self, a: Var, b: Var, options: MatmulOptions) -> Result<Var> {
        let op = Matmul::new(&self.spec(a)?.shape, &self.spec(b)?.shape, &options)?;
        self.apply_one(op, &[a, b])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "matmul",
    formula: "dst[z,m,n] = sum_k a[z,m,k] b[z,k,n], either transposed",
    differentiable: true,
    kernels: &[&FORWARD, &FORWARD_REG, &FORWARD_STAGED, &PRODUCT, &PACK, &UNPACK],
    cases: cases::cases,
};
