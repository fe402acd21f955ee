//! Coupling by any matrix, or by its symmetric part.

use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::Real;
use crate::cpu::couple_dense::{self as cpu, Extents};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::DType;
use crate::kernel::{Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Tape, Var};

crate::params! {
    /// Parameters of the kernels over the state.
    struct Params { len: u32, nodes: u32, symmetric: u32, has_bias: u32 }
}

crate::params! {
    /// Parameters of the kernel over the matrix.
    struct ParamsMatrix { len: u32, tiles: u32, batch: u32, nodes: u32, symmetric: u32 }
}

/// Samples of one tile of the matrix' kernel, as in its shader.
#[cfg(feature = "gpu")]
const TILE: usize = 1024;

const STATE: &str = "[batch, nodes]";
const MATRIX: &str = "[nodes, nodes]";

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "couple_dense",
    source: source!("couple_dense", "grid"),
    params: Params::FIELDS,
    bindings: &[
        input("x", Elem::Storage, STATE),
        input("j", Elem::Storage, MATRIX),
        input("bias", Elem::Storage, "[nodes]"),
        output("dst", Elem::Storage, STATE),
    ],
    constants: &[],
};

/// Cotangent of the state.
pub static BACKWARD_X: Kernel = Kernel {
    name: "couple_dense_bwd_x",
    source: source!("couple_dense_bwd_x", "grid"),
    params: Params::FIELDS,
    bindings: &[
        input("j", Elem::Storage, MATRIX),
        input("dst_bar", Elem::Storage, STATE),
        output("x_bar", Elem::Storage, STATE),
    ],
    constants: &[],
};

/// Partial sums of the cotangents of the matrix and the bias; `sum_rows` adds them.
pub static BACKWARD_J: Kernel = Kernel {
    name: "couple_dense_bwd_j",
    source: source!("couple_dense_bwd_j", "grid"),
    params: ParamsMatrix::FIELDS,
    bindings: &[
        input("x", Elem::Storage, STATE),
        input("dst_bar", Elem::Storage, STATE),
        output("partial", Elem::F32, "[nodes * nodes, tiles]"),
        output("partial_bias", Elem::F32, "[nodes, tiles]"),
    ],
    constants: &[],
};

/// A coupling with fixed extents.
#[derive(Clone, Debug)]
pub struct CoupleDense {
    extents: Extents,
    has_bias: bool,
}

impl CoupleDense {
    /// A coupling of a state `[B, N]` by a matrix `[N, N]`.
    ///
    /// # Errors
    /// `Shape` if either does not have two axes or the matrix is not square of the state's width.
    pub fn new(x: &[usize], j: &[usize], has_bias: bool, symmetric: bool) -> Result<CoupleDense> {
        let refuse = |argument: &str, got: &[usize], wanted: String| {
            Err(Error::argument(ErrorKind::Shape, "couple_dense", argument, format!("{got:?}"), wanted))
        };
        let &[batch, nodes] = x else { return refuse("x", x, "[B, N]".into()) };
        if j != [nodes, nodes] {
            return refuse("j", j, format!("[{nodes}, {nodes}] for x of {x:?}"));
        }
        Ok(CoupleDense { extents: Extents { batch, nodes, symmetric }, has_bias })
    }
}

#[cfg(feature = "gpu")]
impl CoupleDense {
    fn params(&self) -> Params {
        let e = &self.extents;
        let [len, nodes] = [e.batch * e.nodes, e.nodes].map(|v| v as u32);
        Params { len, nodes, symmetric: e.symmetric.into(), has_bias: self.has_bias.into() }
    }

    fn work(&self) -> Work {
        let e = &self.extents;
        Work::invocations(e.batch * e.nodes).rounds(e.nodes).flops(2 * e.batch * e.nodes * e.nodes)
    }

    /// Cotangents of the matrix and the bias.
    fn parameters_bar(
        &self,
        commands: &mut Commands,
        x: &Tensor,
        g: &Tensor,
        needs: [bool; 2],
        dtype: DType,
    ) -> Result<[Option<Tensor>; 2]> {
        let e = &self.extents;
        let (square, tiles) = (e.nodes * e.nodes, e.batch.div_ceil(TILE));
        // One tile is the sum already.
        let shape = |whole: &[usize]| {
            let len = whole.iter().product();
            if tiles == 1 { whole.to_vec() } else { vec![len, tiles] }
        };
        let partial = commands.empty(&shape(&[e.nodes, e.nodes]), DType::F32)?;
        let partial_bias = commands.empty(&shape(&[e.nodes]), DType::F32)?;
        let len = partial.len() + partial_bias.len();
        let [len_u32, tiles_u32, batch, nodes] = [len, tiles, e.batch, e.nodes].map(|v| v as u32);
        let params = ParamsMatrix { len: len_u32, tiles: tiles_u32, batch, nodes, symmetric: e.symmetric.into() };
        let work = Work::invocations(len).rounds(TILE).flops(2 * e.batch * square);
        let binds = [read(x), read(g), write(&partial), write(&partial_bias)];
        commands.dispatch(&BACKWARD_J, dtype, &[], &params, &binds, work)?;
        if tiles == 1 {
            return Ok([Some(partial), Some(partial_bias)]);
        }
        let sum = super::sum_rows::sum_rows;
        let j_bar = needs[0].then(|| sum(commands, &partial, 0, tiles, &[e.nodes, e.nodes])).transpose()?;
        Ok([j_bar, needs[1].then(|| sum(commands, &partial_bias, 0, tiles, &[e.nodes])).transpose()?])
    }
}

impl Op for CoupleDense {
    fn name(&self) -> &'static str {
        "couple_dense"
    }
    fn inputs(&self) -> Vec<Port> {
        let e = &self.extents;
        let mut ports = vec![Port::storage("x", &[e.batch, e.nodes]), Port::storage("j", &[e.nodes, e.nodes])];
        if self.has_bias {
            ports.push(Port::storage("bias", &[e.nodes]));
        }
        ports
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::storage("dst", &[self.extents.batch, self.extents.nodes])]
    }
    fn parameters(&self) -> &'static [&'static str] {
        &["j", "bias"]
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(inputs[0], inputs[1], inputs.get(2).copied(), &self.extents)]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        let mut all: Vec<Vec<R>> = cpu::backward(inputs[0], inputs[1], cotangents[0], &self.extents).into();
        all.truncate(inputs.len());
        all
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], dtype: DType) -> Result<Vec<Tensor>> {
        let (x, j) = (inputs[0], inputs[1]);
        let dst = commands.empty(x.shape(), dtype)?;
        let bias = inputs.get(2).copied().unwrap_or(x);
        let binds = [read(x), read(j), read(bias), write(&dst)];
        commands.dispatch(&FORWARD, dtype, &[], &self.params(), &binds, self.work())?;
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
        let mut all = vec![None; inputs.len()];
        let Some(g) = cotangents[0] else { return Ok(all) };
        if needs[0] {
            let x_bar = commands.empty(inputs[0].shape(), dtype)?;
            let binds = [read(inputs[1]), read(g), write(&x_bar)];
            commands.dispatch(&BACKWARD_X, dtype, &[], &self.params(), &binds, self.work())?;
            all[0] = Some(x_bar);
        }
        let wanted = [needs[1], needs.get(2).copied().unwrap_or(false)];
        if wanted != [false, false] {
            let [j_bar, bias_bar] = self.parameters_bar(commands, inputs[0], g, wanted, dtype)?;
            all[1] = j_bar;
            if let Some(last) = all.get_mut(2) {
                *last = bias_bar;
            }
        }
        Ok(all)
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `J x + bias` for any matrix `j` `[N, N]`, `J[receiver, sender]`: `x` `[B, N]`, `bias` `[N]`. With `symmetric` the
    /// symmetric part `(J + Jᵀ) / 2` couples.
    ///
    /// # Errors
    /// `Shape`, `DType`; as [`Commands::apply`].
    pub fn couple_dense(&mut self, x: &Tensor, j: &Tensor, bias: Option<&Tensor>, symmetric: bool) -> Result<Tensor> {
        let op = CoupleDense::new(x.shape(), j.shape(), bias.is_some(), symmetric)?;
        let mut inputs = vec![x, j];
        inputs.extend(bias);
        Ok(self.apply(&op, &inputs)?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::couple_dense`](crate::Commands::couple_dense), differentiable in all operands; the gradients of `j`
    /// and `bias` are f32, and with `symmetric` that of `j` is symmetric.
    ///
    /// # Errors
    /// As [`Commands::couple_dense`](crate::Commands::couple_dense).
    pub fn couple_dense(&mut self, x: Var, j: Var, bias: Option<Var>, symmetric: bool) -> Result<Var> {
        let op = CoupleDense::new(&self.spec(x)?.shape, &self.spec(j)?.shape, bias.is_some(), symmetric)?;
        let mut inputs = vec![x, j];
        inputs.extend(bias);
        self.apply_one(op, &inputs)
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "couple_dense",
    formula: "dst[b,i] = bias[i] + sum_j J[i,j] x[b,j], J or (J + J^T) / 2",
    differentiable: true,
    kernels: &[&FORWARD, &BACKWARD_X, &BACKWARD_J, &super::sum_rows::KERNEL],
    cases,
};

fn cases() -> Vec<Case> {
    let case = |batch: usize, nodes: usize, has_bias: bool, symmetric: bool, label: &str, fill: Fill| {
        let op = CoupleDense::new(&[batch, nodes], &[nodes, nodes], has_bias, symmetric).ok()?;
        let bias = if has_bias { " bias" } else { "" };
        let kind = if symmetric { " symmetric" } else { "" };
        let fills = vec![fill; 2 + usize::from(has_bias)];
        Some(Case::new(format!("x [{batch}, {nodes}]{bias}{kind}{label}"), op, fills))
    };
    let mut cases = Vec::new();
    for symmetric in [false, true] {
        // The symmetric part of an integer matrix has halves.
        let exact = |case: Case| if symmetric { case } else { case.linear() };
        for (batch, nodes, has_bias) in [
            (0, 5, true),
            (3, 0, true),
            (1, 1, true),
            (2, 3, false),
            (3, 65, true),
            (65, 8, true),
            (1025, 2, true),
            (5, 63, false),
        ] {
            cases.extend(case(batch, nodes, has_bias, symmetric, "", Fill::Uniform).map(exact));
        }
        cases.extend(case(3, 17, false, symmetric, " mixed scales", Fill::Mixed(20)));
        cases.extend(case(3, 17, true, symmetric, " one nonzero", Fill::OneHot).map(exact));
        cases.extend(case(2, 4, true, symmetric, " ladder", Fill::Uniform).map(Case::ladder));
        cases.extend(case(32, 512, true, symmetric, "", Fill::Uniform).map(Case::bench));
    }
    cases
}
