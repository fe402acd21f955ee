//! The sigmoid linear unit `dst = x / (1 + exp(-x))`.

use super::spec::{Case, OpSpec};
use super::unary::{self, Map, Unary};
use crate::cpu::{Real, silu as cpu};
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor};
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

/// The map.
struct Silu;

impl Map for Silu {
    const NAME: &'static str = "silu";
    const KERNEL: &'static Kernel = &FORWARD;
    const KERNEL_BWD: &'static Kernel = &BACKWARD;
    const FLOPS: [usize; 2] = [6, 10];

    fn value<R: Real>(x: &[R]) -> Vec<R> {
        cpu::forward(x)
    }
    fn pull<R: Real>(x: &[R], dst_bar: &[R]) -> Vec<R> {
        cpu::backward(x, dst_bar)
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `x / (1 + exp(-x))`, without overflow for any finite `x`; also called swish.
    ///
    /// # Errors
    /// `DType`; as [`Commands::apply`].
    pub fn silu(&mut self, x: &Tensor) -> Result<Tensor> {
        Ok(self.apply(&Unary::<Silu>::new(x.shape()), &[x])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::silu`](crate::Commands::silu), differentiable.
    ///
    /// # Errors
    /// `DType`; as [`Tape::apply`].
    pub fn silu(&mut self, x: Var) -> Result<Var> {
        let shape = self.spec(x)?.shape;
        self.apply_one(Unary::<Silu>::new(&shape), &[x])
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
    unary::smooth_cases::<Silu>(-1.27846)
}
