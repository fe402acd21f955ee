//! The smooth ramp `dst = ln(1 + exp(x))`.

use super::spec::{Case, OpSpec};
use super::unary::{self, Map, Unary};
use crate::cpu::{Real, softplus as cpu};
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor};
use crate::kernel::{Kernel, source};
use crate::tape::{Tape, Var};

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "softplus",
    source: source!("softplus", "grid", "softplus"),
    params: unary::FIELDS,
    bindings: unary::FORWARD,
    constants: &[],
};

/// Backward.
pub static BACKWARD: Kernel = Kernel {
    name: "softplus_bwd",
    source: source!("softplus_bwd", "grid", "silu"),
    params: unary::FIELDS,
    bindings: unary::BACKWARD,
    constants: &[],
};

/// The map.
struct Softplus;

impl Map for Softplus {
    const NAME: &'static str = "softplus";
    const KERNEL: &'static Kernel = &FORWARD;
    const KERNEL_BWD: &'static Kernel = &BACKWARD;
    const FLOPS: [usize; 2] = [24, 6];

    fn value<R: Real>(x: &[R]) -> Vec<R> {
        cpu::forward(x)
    }
    fn pull<R: Real>(x: &[R], dst_bar: &[R]) -> Vec<R> {
        cpu::backward(x, dst_bar)
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `ln(1 + exp(x))`, without overflow for any finite `x` and relatively accurate far left: a positive number from any,
    /// such as a rate or a metric from what an optimiser moves.
    ///
    /// # Errors
    /// `DType`; as [`Commands::apply`].
    pub fn softplus(&mut self, x: &Tensor) -> Result<Tensor> {
        Ok(self.apply(&Unary::<Softplus>::new(x.shape()), &[x])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::softplus`](crate::Commands::softplus), differentiable.
    ///
    /// # Errors
    /// `DType`; as [`Tape::apply`].
    pub fn softplus(&mut self, x: Var) -> Result<Var> {
        let shape = self.spec(x)?.shape;
        self.apply_one(Unary::<Softplus>::new(&shape), &[x])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "softplus",
    formula: "dst = ln(1 + exp(x))",
    differentiable: true,
    kernels: &[&FORWARD, &BACKWARD],
    cases,
};

fn cases() -> Vec<Case> {
    unary::smooth_cases::<Softplus>(16.0)
}
