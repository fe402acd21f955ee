//! The Gaussian error linear unit `dst = x Phi(x)`, exact.

use super::spec::{Case, Fill, Op, OpSpec, Port};
use super::unary;
use crate::cpu::{Real, gelu as cpu};
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor};
#[cfg(feature = "gpu")]
use crate::kernel::DType;
use crate::kernel::{Kernel, source};
use crate::tape::{Tape, Var};

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "gelu",
    source: source!("gelu", "grid", "erfc"),
    params: unary::FIELDS,
    bindings: unary::FORWARD,
    constants: &[],
};

/// Backward.
pub static BACKWARD: Kernel = Kernel {
    name: "gelu_bwd",
    source: source!("gelu_bwd", "grid", "erfc"),
    params: unary::FIELDS,
    bindings: unary::BACKWARD,
    constants: &[],
};

/// The map over a tensor of fixed extents.
#[derive(Clone, Debug)]
pub struct Gelu {
    shape: Vec<usize>,
}

impl Op for Gelu {
    fn name(&self) -> &'static str {
        "gelu"
    }
    fn inputs(&self) -> Vec<Port> {
        vec![Port::storage("x", &self.shape)]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::storage("dst", &self.shape)]
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(inputs[0])]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::backward(inputs[0], cotangents[0])]
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], _: DType) -> Result<Vec<Tensor>> {
        unary::map(commands, &FORWARD, inputs[0], 30)
    }
    #[cfg(feature = "gpu")]
    fn backward(
        &self,
        commands: &mut Commands,
        inputs: &[&Tensor],
        cotangents: &[Option<&Tensor>],
        _: &[bool],
        _: DType,
    ) -> Result<Vec<Option<Tensor>>> {
        unary::pull(commands, &BACKWARD, inputs[0], cotangents[0], 40)
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `x Phi(x)` with the normal distribution function `Phi(x) = erfc(-x / sqrt 2) / 2`, not an approximation by tanh; small
    /// results for negative `x` keep their relative accuracy. Source: Hendrycks and Gimpel 2016.
    ///
    /// # Errors
    /// `DType`; as [`Commands::apply`].
    pub fn gelu(&mut self, x: &Tensor) -> Result<Tensor> {
        Ok(self.apply(&Gelu { shape: x.shape().to_vec() }, &[x])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::gelu`](crate::Commands::gelu), differentiable.
    ///
    /// # Errors
    /// `DType`; as [`Tape::apply`].
    pub fn gelu(&mut self, x: Var) -> Result<Var> {
        let shape = self.spec(x)?.shape;
        self.apply_one(Gelu { shape }, &[x])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "gelu",
    formula: "dst = x erfc(-x / sqrt 2) / 2",
    differentiable: true,
    kernels: &[&FORWARD, &BACKWARD],
    cases,
};

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (shape, edge) in super::elementwise_sizes() {
        let case = Case::new(format!("{shape:?}"), Gelu { shape: shape.clone() }, vec![Fill::Between(-4.0, 4.0)]);
        cases.push(match edge {
            true if case.op.outputs()[0].len() <= 3 => case.ladder(),
            true => case,
            false => case.bench(),
        });
    }
    // Among them where the slope is 0.
    let special = vec![0.0, -0.0, 6e-8, -6e-8, 1e-3, -0.75179, -9.5, -13.0, -20.0, -90.0, 9.5, 90.0, 65504.0, -65504.0];
    for (label, fill) in [
        ("wide", Fill::Between(-15.0, 15.0)),
        ("mixed scales", Fill::Mixed(20)),
        ("special numbers", Fill::Values(special)),
    ] {
        cases.push(Case::new(format!("[210] {label}"), Gelu { shape: vec![210] }, vec![fill]));
    }
    cases
}
