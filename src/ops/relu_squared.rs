//! The squared rectifier `dst = max(x, 0)^2 / 2`.

use super::spec::{Case, Fill, OpSpec};
use super::unary::{self, Map, Unary};
use crate::cpu::{Real, relu_squared as cpu};
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor};
use crate::kernel::{Kernel, source};
use crate::tape::{Tape, Var};

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "relu_squared",
    source: source!("relu_squared", "grid"),
    params: unary::FIELDS,
    bindings: unary::FORWARD,
    constants: &[],
};

/// Backward.
pub static BACKWARD: Kernel = Kernel {
    name: "relu_squared_bwd",
    source: source!("relu_squared_bwd", "grid"),
    params: unary::FIELDS,
    bindings: unary::BACKWARD,
    constants: &[],
};

/// The map.
struct ReluSquared;

impl Map for ReluSquared {
    const NAME: &'static str = "relu_squared";
    const KERNEL: &'static Kernel = &FORWARD;
    const KERNEL_BWD: &'static Kernel = &BACKWARD;
    const FLOPS: [usize; 2] = [3, 2];

    fn value<R: Real>(x: &[R]) -> Vec<R> {
        cpu::forward(x)
    }
    fn pull<R: Real>(x: &[R], dst_bar: &[R]) -> Vec<R> {
        cpu::backward(x, dst_bar)
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `max(x, 0)^2 / 2`; NaN stays NaN, and f16 results end at `x = 361`.
    ///
    /// # Errors
    /// `DType`; as [`Commands::apply`].
    pub fn relu_squared(&mut self, x: &Tensor) -> Result<Tensor> {
        Ok(self.apply(&Unary::<ReluSquared>::new(x.shape()), &[x])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::relu_squared`](crate::Commands::relu_squared), differentiable.
    ///
    /// # Errors
    /// `DType`; as [`Tape::apply`].
    pub fn relu_squared(&mut self, x: Var) -> Result<Var> {
        let shape = self.spec(x)?.shape;
        self.apply_one(Unary::<ReluSquared>::new(&shape), &[x])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "relu_squared",
    formula: "dst = max(x, 0)^2 / 2",
    differentiable: true,
    kernels: &[&FORWARD, &BACKWARD],
    cases,
};

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (shape, edge) in super::elementwise_sizes() {
        let case = Case::new(format!("{shape:?}"), Unary::<ReluSquared>::new(&shape), vec![Fill::Between(-4.0, 4.0)]);
        cases.push(if edge { case } else { case.bench() });
    }
    for (label, fill) in [
        ("signed zeros and the smallest numbers", Fill::Values(vec![0.0, -0.0, 6e-8, -6e-8, 1.0, -1.0, 361.0])),
        ("mixed scales", Fill::Mixed(7)),
    ] {
        cases.push(Case::new(format!("[70] {label}"), Unary::<ReluSquared>::new(&[70]), vec![fill]));
    }
    // Differences of fourth order must not cross the kink of the slope.
    let fill = Fill::Values(vec![0.5, -0.25, 2.0, -1.5, 0.125]);
    cases.push(Case::new("[2, 5] ladder", Unary::<ReluSquared>::new(&[2, 5]), vec![fill]).ladder());
    cases
}
