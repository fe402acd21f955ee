//! `dst = s(g) x`: one gate for the components of a neuron, `s` the logistic function.

use super::layout::vectors;
use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::{Oscillators, Real, gate as cpu};
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::DType;
use crate::kernel::{Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Tape, Var};

crate::params! {
    /// Parameters of the forward kernel.
    struct Params { len: u32, n: u32, inner: u32 }
}

crate::params! {
    /// Parameters of the backward kernel.
    struct ParamsBwd { count: u32, n: u32, inner: u32 }
}

const X: &str = "[outer, n, inner]";
const G: &str = "[outer, inner]";

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "gate",
    source: source!("gate", "grid", "silu"),
    params: Params::FIELDS,
    bindings: &[input("x", Elem::Storage, X), input("g", Elem::Storage, G), output("dst", Elem::Storage, X)],
    constants: &[],
};

/// Both cotangents.
pub static BACKWARD: Kernel = Kernel {
    name: "gate_bwd",
    source: source!("gate_bwd", "grid", "sphere", "silu"),
    params: ParamsBwd::FIELDS,
    bindings: &[
        input("x", Elem::Storage, X),
        input("g", Elem::Storage, G),
        input("dst_bar", Elem::Storage, X),
        output("x_bar", Elem::Storage, X),
        output("g_bar", Elem::Storage, G),
    ],
    constants: &[],
};

/// The gates of every neuron of a tensor.
#[derive(Clone, Debug)]
pub struct Gate {
    shape: Vec<usize>,
    axis: usize,
    at: Oscillators,
}

impl Gate {
    /// Neurons of `k` consecutive components along `axis` of a tensor with extents `shape`.
    ///
    /// # Errors
    /// `Param` if `k` is 0, `Shape` if the channels do not split into neurons, `Index`.
    pub fn new(shape: &[usize], axis: usize, k: usize) -> Result<Gate> {
        Ok(Gate { shape: shape.to_vec(), axis, at: vectors("gate", shape, axis, k)? })
    }

    fn gates(&self) -> Vec<usize> {
        let mut shape = self.shape.clone();
        shape[self.axis] = self.at.groups;
        shape
    }
}

impl Op for Gate {
    fn name(&self) -> &'static str {
        "gate"
    }
    fn inputs(&self) -> Vec<Port> {
        vec![Port::storage("x", &self.shape), Port::storage("g", &self.gates())]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::storage("dst", &self.shape)]
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(inputs[0], inputs[1], &self.at)]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        cpu::backward(inputs[0], inputs[1], cotangents[0], &self.at).into()
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], dtype: DType) -> Result<Vec<Tensor>> {
        let (x, g) = (inputs[0], inputs[1]);
        let dst = commands.empty(&self.shape, dtype)?;
        let params = Params { len: x.len() as u32, n: self.at.n as u32, inner: self.at.inner as u32 };
        let work = Work::invocations(x.len()).flops(6 * x.len());
        commands.dispatch(&FORWARD, dtype, &[], &params, &[read(x), read(g), write(&dst)], work)?;
        Ok(vec![dst])
    }
    #[cfg(feature = "gpu")]
    fn backward(
        &self,
        commands: &mut Commands,
        inputs: &[&Tensor],
        cotangents: &[Option<&Tensor>],
        _: &[bool],
        dtype: DType,
    ) -> Result<Vec<Option<Tensor>>> {
        let Some(bar) = cotangents[0] else { return Ok(vec![None, None]) };
        let (x, g) = (inputs[0], inputs[1]);
        let (x_bar, g_bar) = (commands.empty(&self.shape, dtype)?, commands.empty(&self.gates(), dtype)?);
        let params = ParamsBwd { count: g.len() as u32, n: self.at.n as u32, inner: self.at.inner as u32 };
        let work = Work::invocations(g.len()).rounds(self.at.n).flops(3 * x.len() + 6 * g.len());
        let binds = [read(x), read(g), read(bar), write(&x_bar), write(&g_bar)];
        commands.dispatch(&BACKWARD, dtype, &[], &params, &binds, work)?;
        Ok(vec![Some(x_bar), Some(g_bar)])
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `x / (1 + exp(-g))` with one gate for the `k` consecutive components of a neuron along `axis`: `g` has the extents
    /// of `x` with one channel there for every `k`.
    ///
    /// # Errors
    /// `Param` if `k` is 0, `Shape`, `DType`; as [`Commands::apply`].
    pub fn gate(&mut self, x: &Tensor, g: &Tensor, axis: usize, k: usize) -> Result<Tensor> {
        Ok(self.apply(&Gate::new(x.shape(), axis, k)?, &[x, g])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::gate`](crate::Commands::gate), differentiable in both operands.
    ///
    /// # Errors
    /// As [`Commands::gate`](crate::Commands::gate).
    pub fn gate(&mut self, x: Var, g: Var, axis: usize, k: usize) -> Result<Var> {
        let op = Gate::new(&self.spec(x)?.shape, axis, k)?;
        self.apply_one(op, &[x, g])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "gate",
    formula: "dst[c,k] = x[c,k] / (1 + exp(-g[c]))",
    differentiable: true,
    kernels: &[&FORWARD, &BACKWARD],
    cases,
};

fn cases() -> Vec<Case> {
    let case = |shape: &[usize], axis: usize, k: usize, label: &str, fills: [Fill; 2]| {
        let op = Gate::new(shape, axis, k).ok()?;
        Some(Case::new(format!("{shape:?} axis {axis} k {k}{label}"), op, fills.into()))
    };
    let usual = || [Fill::Uniform, Fill::Between(-4.0, 4.0)];
    let sizes: [(&[usize], usize, usize); 7] = [
        (&[0, 4, 3], 1, 2),
        (&[1, 1], 1, 1),
        (&[65, 2], 1, 2),
        (&[2, 6, 3, 5], 1, 3),
        (&[3, 64], 1, 4),
        (&[1, 66, 3], 1, 33),
        (&[127, 5], 1, 1),
    ];
    let mut cases: Vec<Case> = sizes.iter().filter_map(|(s, axis, k)| case(s, *axis, *k, "", usual())).collect();
    let steps = vec![0.0, -0.0, 1e-4, 9.0, -9.0, 17.0, -17.0, 90.0, -90.0, 1e4, -1e4];
    for (label, fills) in [
        (" mixed scales", [Fill::Mixed(20), Fill::Mixed(4)]),
        (" one nonzero", [Fill::OneHot, Fill::Uniform]),
        (" open and shut", [Fill::Uniform, Fill::Values(steps)]),
    ] {
        cases.extend(case(&[7, 22], 1, 2, label, fills));
    }
    cases.extend(case(&[2, 6, 2], 1, 3, " ladder", usual()).map(Case::ladder));
    cases.extend(case(&[16, 64, 32, 32], 1, 2, "", usual()).map(Case::bench));
    cases
}
