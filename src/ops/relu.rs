//! The rectifier `dst = max(x, 0)`.

use super::spec::{Case, Fill, Op, OpSpec, Port};
use super::unary;
use crate::cpu::{Real, relu as cpu};
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor};
#[cfg(feature = "gpu")]
use crate::kernel::DType;
use crate::kernel::{Kernel, source};
use crate::tape::{Tape, Var};

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "relu",
    source: source!("relu", "grid"),
    params: unary::FIELDS,
    bindings: unary::FORWARD,
    constants: &[],
};

/// Backward.
pub static BACKWARD: Kernel = Kernel {
    name: "relu_bwd",
    source: source!("relu_bwd", "grid"),
    params: unary::FIELDS,
    bindings: unary::BACKWARD,
    constants: &[],
};

/// The map over a tensor of fixed extents.
#[derive(Clone, Debug)]
pub struct Relu {
    shape: Vec<usize>,
}

impl Op for Relu {
    fn name(&self) -> &'static str {
        "relu"
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
        unary::map(commands, &FORWARD, inputs[0], 1)
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
        unary::pull(commands, &BACKWARD, inputs[0], cotangents[0], 1)
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `max(x, 0)`; NaN stays NaN.
    ///
    /// # Errors
    /// `DType`; as [`Commands::apply`].
    pub fn relu(&mut self, x: &Tensor) -> Result<Tensor> {
        Ok(self.apply(&Relu { shape: x.shape().to_vec() }, &[x])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::relu`](crate::Commands::relu), differentiable.
    ///
    /// # Errors
    /// `DType`; as [`Tape::apply`].
    pub fn relu(&mut self, x: Var) -> Result<Var> {
        let shape = self.spec(x)?.shape;
        self.apply_one(Relu { shape }, &[x])
    }
}

/// The op.
pub static SPEC: OpSpec =
    OpSpec { name: "relu", formula: "dst = max(x, 0)", differentiable: true, kernels: &[&FORWARD, &BACKWARD], cases };

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (shape, edge) in super::elementwise_sizes() {
        let case = Case::new(format!("{shape:?}"), Relu { shape: shape.clone() }, vec![Fill::Uniform]);
        // The integers of the linear gate reach the kink: half of them are 0 or below.
        cases.push(if edge { case.linear() } else { case.bench() });
    }
    for (label, fill) in [
        ("signed zeros and the smallest numbers", Fill::Values(vec![0.0, -0.0, 6e-8, -6e-8, 1.0, -1.0, 65504.0])),
        ("mixed scales", Fill::Mixed(20)),
    ] {
        cases.push(Case::new(format!("[70] {label}"), Relu { shape: vec![70] }, vec![fill]));
    }
    // Differences must not cross the kink.
    let fill = Fill::Values(vec![0.5, -0.25, 2.0, -1.5, 0.125]);
    cases.push(Case::new("[2, 5] ladder", Relu { shape: vec![2, 5] }, vec![fill]).ladder());
    cases
}
