//! A linear map of complex neurons that commutes with a common phase: multiplication by `w1 - i w2`.

use super::layout::indexable;
use super::spec::{Op, OpSpec, Port};
use crate::cpu::Real;
use crate::cpu::linear::Extents;
use crate::cpu::linear_u1 as cpu;
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::DType;
use crate::tape::{Tape, Var};

#[path = "linear_u1_cases.rs"]
mod cases;
#[path = "linear_u1_contracts.rs"]
mod contracts;

pub use contracts::{BACKWARD_W, BACKWARD_W_REG, FORWARD, FORWARD_REG};
#[cfg(feature = "gpu")]
use contracts::{Params, ParamsW};

/// Neurons and columns of a tile of registers, as in the shaders.
#[cfg(feature = "gpu")]
const TILE: [usize; 2] = [4, 8];

/// Columns of a workgroup of the register kernel.
#[cfg(feature = "gpu")]
const BLOCK: usize = 512;

/// Which kernels run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Variant {
    Plain,
    Registers,
}

/// A map with fixed extents.
#[derive(Clone, Debug)]
pub struct LinearU1 {
    /// In neurons.
    extents: Extents,
    x: Vec<usize>,
    dst: Vec<usize>,
    #[cfg_attr(not(feature = "gpu"), allow(dead_code))]
    variant: Variant,
}

/// A tile of registers pays once two of its neurons are used. The batch size plays no part: results must not depend on it.
fn choose(rows: usize, depth: usize) -> Variant {
    if rows.min(depth) < 2 { Variant::Plain } else { Variant::Registers }
}

impl LinearU1 {
    /// A map of axis `axis` of `x`, `K` neurons of 2 channels, by weights `w` `[M, K]` of which there are two.
    ///
    /// # Errors
    /// `Shape` if `x` has no such axis after the first, if its channels are no pairs or `w` is not `[M, K]` for them;
    /// `Index` if the result has more elements than 32-bit indices reach.
    pub fn new(x: &[usize], w: &[usize], axis: usize) -> Result<LinearU1> {
        let refuse = |argument: &str, got: String, wanted: String| {
            Err(Error::argument(ErrorKind::Shape, "linear_u1", argument, got, wanted))
        };
        let Some(channels) = x.get(axis).copied().filter(|_| axis > 0) else {
            return refuse("axis", axis.to_string(), format!("an axis of {x:?} after the first, which counts samples"));
        };
        if channels % 2 != 0 {
            let got = format!("{channels} channels along axis {axis}");
            return refuse("x", got, "pairs of a real and an imaginary part".into());
        }
        let depth = channels / 2;
        let rows = match *w {
            [rows, columns] if columns == depth => rows,
            _ => return refuse("w1", format!("{w:?}"), format!("[M, {depth}] for axis {axis} of {x:?}")),
        };
        let mut dst = x.to_vec();
        dst[axis] = rows.saturating_mul(2);
        indexable("linear_u1", x)?;
        indexable("linear_u1", &[rows, channels])?;
        indexable("linear_u1", &dst)?;
        let (outer, inner) = (x[..axis].iter().product(), x[axis + 1..].iter().product());
        let extents = Extents { outer, rows, depth, inner };
        Ok(LinearU1 { extents, x: x.to_vec(), dst, variant: choose(rows, depth) })
    }
}

#[cfg(feature = "gpu")]
impl LinearU1 {
    /// The map, or with `transposed` the cotangent of `x`.
    fn map(&self, commands: &mut Commands, x: &Tensor, w: [&Tensor; 2], transposed: bool) -> Result<Tensor> {
        let e = &self.extents;
        let (shape, rows, depth) = if transposed { (&self.x, e.depth, e.rows) } else { (&self.dst, e.rows, e.depth) };
        let (row, col, turn) = if transposed { (1, e.depth, -1.0) } else { (e.depth, 1, 1.0) };
        let dst = commands.empty(shape, x.dtype())?;
        if dst.is_empty() {
            return Ok(dst);
        }
        let columns = e.outer * e.inner;
        let params = Params {
            columns: columns as u32,
            rows: rows as u32,
            depth: depth as u32,
            inner: e.inner as u32,
            row: row as u32,
            col: col as u32,
            turn,
        };
        let (kernel, work) = match self.variant {
            Variant::Plain => (&FORWARD, Work::invocations(columns * rows)),
            Variant::Registers => (&FORWARD_REG, Work::workgroups(rows.div_ceil(TILE[0]) * columns.div_ceil(BLOCK))),
        };
        let work = work.rounds(depth).flops(8 * columns * rows * depth);
        commands.dispatch(kernel, x.dtype(), &[], &params, &[read(x), read(w[0]), read(w[1]), write(&dst)], work)?;
        Ok(dst)
    }

    /// Cotangents of the weights, those that are needed.
    fn weights_bar(
        &self,
        commands: &mut Commands,
        x: &Tensor,
        g: &Tensor,
        needs: [bool; 2],
    ) -> Result<[Option<Tensor>; 2]> {
        let e = &self.extents;
        let (columns, weights) = (e.outer * e.inner, e.rows * e.depth);
        let (kernel, invocations) = match self.variant {
            Variant::Plain => (&BACKWARD_W, weights),
            Variant::Registers => (&BACKWARD_W_REG, e.rows.div_ceil(TILE[0]) * e.depth.div_ceil(TILE[1])),
        };
        let split = super::sum_columns::split(columns, invocations);
        let partial = commands.empty(&[split.tiles, 2 * weights], DType::F32)?;
        let params = ParamsW {
            columns: columns as u32,
            rows: e.rows as u32,
            depth: e.depth as u32,
            inner: e.inner as u32,
            run: split.run as u32,
            tiles: split.tiles as u32,
        };
        let work = Work::invocations(split.tiles * invocations).rounds(split.run).flops(8 * columns * weights);
        commands.dispatch(kernel, x.dtype(), &[], &params, &[read(x), read(g), write(&partial)], work)?;
        let mut sum = |needed: bool, offset: usize| {
            let sums = || super::sum_columns::sum_columns(commands, &partial, offset, &[e.rows, e.depth]);
            needed.then(sums).transpose()
        };
        Ok([sum(needs[0], 0)?, sum(needs[1], weights)?])
    }
}

impl Op for LinearU1 {
    fn name(&self) -> &'static str {
        "linear_u1"
    }
    fn inputs(&self) -> Vec<Port> {
        let w = [self.extents.rows, self.extents.depth];
        vec![Port::storage("x", &self.x), Port::storage("w1", &w), Port::storage("w2", &w)]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::storage("dst", &self.dst)]
    }
    fn parameters(&self) -> &'static [&'static str] {
        &["w1", "w2"]
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(inputs[0], inputs[1], inputs[2], &self.extents)]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        cpu::backward(inputs[0], inputs[1], inputs[2], cotangents[0], &self.extents).into()
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], _: DType) -> Result<Vec<Tensor>> {
        Ok(vec![self.map(commands, inputs[0], [inputs[1], inputs[2]], false)?])
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
        let Some(g) = cotangents[0] else { return Ok(vec![None; 3]) };
        let x_bar = needs[0].then(|| self.map(commands, g, [inputs[1], inputs[2]], true)).transpose()?;
        let [w1_bar, w2_bar] = match (needs[1], needs[2]) {
            (false, false) => [None, None],
            (first, second) => self.weights_bar(commands, inputs[0], g, [first, second])?,
        };
        Ok(vec![x_bar, w1_bar, w2_bar])
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// The U(1)-equivariant linear map of complex neurons: `x` of any rank with the K neurons on axis `axis` as 2 K
    /// channels, real and imaginary part in turn; `w1`, `w2` `[M, K]`; the result has 2 M channels there. Each pair of
    /// neurons is multiplied by `[[w1, w2], [-w2, w1]]`, which is `w1 - i w2`, as in the code of arXiv 2605.14685.
    ///
    /// # Errors
    /// `Shape`, `DType`, `Index`; as [`Commands::apply`].
    pub fn linear_u1(&mut self, x: &Tensor, w1: &Tensor, w2: &Tensor, axis: usize) -> Result<Tensor> {
        let op = LinearU1::new(x.shape(), w1.shape(), axis)?;
        Ok(self.apply(&op, &[x, w1, w2])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::linear_u1`](crate::Commands::linear_u1), differentiable in all operands; the gradients of the
    /// weights are f32.
    ///
    /// # Errors
    /// As [`Commands::linear_u1`](crate::Commands::linear_u1).
    pub fn linear_u1(&mut self, x: Var, w1: Var, w2: Var, axis: usize) -> Result<Var> {
        let op = LinearU1::new(&self.spec(x)?.shape, &self.spec(w1)?.shape, axis)?;
        self.apply_one(op, &[x, w1, w2])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "linear_u1",
    formula: "dst[o,m,:,i] = sum_k [[w1, w2], [-w2, w1]][m,k] x[o,k,:,i]",
    differentiable: true,
    kernels: &[&FORWARD, &FORWARD_REG, &BACKWARD_W, &BACKWARD_W_REG, &super::sum_columns::KERNEL],
    cases: cases::cases,
};
