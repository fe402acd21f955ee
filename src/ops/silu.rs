//! The sigmoid linear unit `dst = x / (1 + exp(-x))`.

use super::spec::{Case, Fill, Op, OpSpec, Port};
use super::unary;
use crate::cpu::{Real, silu as cpu};
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor};
#[cfg(feature = "gpu")]
use crate::kernel::DType;
use crate::kernel::{Kernel, source};
use crate::tape::{Tape, Var};

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "silu",
    source: source!("silu", "grid", "silu"),
    params: unary::FIELDS,
    bindings: unary::FORWARD,
    constants: &[],
};

/// Backward.
pub static BACKWARD: Kernel = Kernel {
    name: "silu_bwd",
    source: source!("silu_bwd", "grid", "silu"),
    params: unary::FIELDS,
    bindings: unary::BACKWARD,
    constants: &[],
};

/// The map over a tensor of fixed extents.
#[derive(Clone, Debug)]
pub struct Silu {
    shape: Vec<usize>,
}

impl Op for Silu {
    fn name(&self) -> &'static str {
        "silu"
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
        unary::map(commands, &FORWARD, inputs[0], 6)
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
        unary::pull(commands, &BACKWARD, inputs[0], cotangents[0], 10)
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `x / (1 + exp(-x))`, without overflow for any finite `x`; also called swish.
    ///
    /// # Errors
    /// `DType`; as [`Commands::apply`].
    pub fn silu(&mut self, x: &Tensor) -> Result<Tensor> {
        Ok(self.apply(&Silu { shape: x.shape().to_vec() }, &[x])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::silu`](crate::Commands::silu), differentiable.
    ///
    /// # Errors
    /// `DType`; as [`Tape::apply`].
    pub fn silu(&mut self, x: Var) -> Result<Var> {
        let shape = self.spec(x)?.shape;
        self.apply_one(Silu { shape }, &[x])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "silu",
    formula: "dst = x / (1 + exp(-x))",
    differentiable: true,
    kernels: &[&FORWARD, &BACKWARD],
    cases,
};

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (shape, edge) in super::elementwise_sizes() {
        let case = Case::new(format!("{shape:?}"), Silu { shape: shape.clone() }, vec![Fill::Between(-4.0, 4.0)]);
        cases.push(match edge {
            true if case.op.outputs()[0].len() <= 3 => case.ladder(),
            true => case,
            false => case.bench(),
        });
    }
    // Among them where the slope is 0.
    let special = vec![0.0, -0.0, 6e-8, -6e-8, 1e-3, -1.27846, -9.5, -13.0, -20.0, -90.0, 9.5, 90.0, 65504.0, -65504.0];
    for (label, fill) in [
        ("wide", Fill::Between(-15.0, 15.0)),
        ("mixed scales", Fill::Mixed(20)),
        ("special numbers", Fill::Values(special)),
    ] {
        cases.push(Case::new(format!("[210] {label}"), Silu { shape: vec![210] }, vec![fill]));
    }
    cases
}
