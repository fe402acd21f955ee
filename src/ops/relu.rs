//! The rectifier `dst = max(x, 0)`.

use super::spec::{Case, Fill, OpSpec};
use super::unary::{self, Map, Unary};
use crate::cpu::{Real, relu as cpu};
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor};
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

/// The map.
struct Relu;

impl Map for Relu {
    const NAME: &'static str = "relu";
    const KERNEL: &'static Kernel = &FORWARD;
    const KERNEL_BWD: &'static Kernel = &BACKWARD;
    const FLOPS: [usize; 2] = [1, 1];

    fn value<R: Real>(x: &[R]) -> Vec<R> {
        cpu::forward(x)
    }
    fn pull<R: Real>(x: &[R], dst_bar: &[R]) -> Vec<R> {
        cpu::backward(x, dst_bar)
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `max(x, 0)`; NaN stays NaN.
    ///
    /// # Errors
    /// `DType`; as [`Commands::apply`].
    pub fn relu(&mut self, x: &Tensor) -> Result<Tensor> {
        Ok(self.apply(&Unary::<Relu>::new(x.shape()), &[x])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::relu`](crate::Commands::relu), differentiable.
    ///
    /// # Errors
    /// `DType`; as [`Tape::apply`].
    pub fn relu(&mut self, x: Var) -> Result<Var> {
        let shape = self.spec(x)?.shape;
        self.apply_one(Unary::<Relu>::new(&shape), &[x])
    }
}

/// The op.
pub static SPEC: OpSpec =
    OpSpec { name: "relu", formula: "dst = max(x, 0)", differentiable: true, kernels: &[&FORWARD, &BACKWARD], cases };

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (shape, edge) in super::elementwise_sizes() {
        let case = Case::new(format!("{shape:?}"), Unary::<Relu>::new(&shape), vec![Fill::Uniform]);
        // The integers of the linear gate reach the kink: half of them are 0 or below.
        cases.push(if edge { case.linear() } else { case.bench() });
    }
    for (label, fill) in [
        ("signed zeros and the smallest numbers", Fill::Values(vec![0.0, -0.0, 6e-8, -6e-8, 1.0, -1.0, 65504.0])),
        ("mixed scales", Fill::Mixed(20)),
    ] {
        cases.push(Case::new(format!("[70] {label}"), Unary::<Relu>::new(&[70]), vec![fill]));
    }
    // Differences must not cross the kink.
    let fill = Fill::Values(vec![0.5, -0.25, 2.0, -1.5, 0.125]);
    cases.push(Case::new("[2, 5] ladder", Unary::<Relu>::new(&[2, 5]), vec![fill]).ladder());
    cases
}
