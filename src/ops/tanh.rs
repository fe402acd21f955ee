//! The hyperbolic tangent `dst = tanh(x)`.

use super::spec::{Case, OpSpec};
use super::unary::{self, Map, Unary};
use crate::cpu::{Real, tanh as cpu};
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor};
use crate::kernel::{Kernel, source};
use crate::tape::{Tape, Var};

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "tanh",
    source: source!("tanh", "grid", "tanh"),
    params: unary::FIELDS,
    bindings: unary::FORWARD,
    constants: &[],
};

/// Backward.
pub static BACKWARD: Kernel = Kernel {
    name: "tanh_bwd",
    source: source!("tanh_bwd", "grid", "tanh"),
    params: unary::FIELDS,
    bindings: unary::BACKWARD,
    constants: &[],
};

/// The map.
struct Tanh;

impl Map for Tanh {
    const NAME: &'static str = "tanh";
    const KERNEL: &'static Kernel = &FORWARD;
    const KERNEL_BWD: &'static Kernel = &BACKWARD;
    const FLOPS: [usize; 2] = [13, 8];

    fn value<R: Real>(x: &[R]) -> Vec<R> {
        cpu::forward(x)
    }
    fn pull<R: Real>(x: &[R], dst_bar: &[R]) -> Vec<R> {
        cpu::backward(x, dst_bar)
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `tanh(x)`, relatively accurate near 0 and without overflow for any finite `x`.
    ///
    /// # Errors
    /// `DType`; as [`Commands::apply`].
    pub fn tanh(&mut self, x: &Tensor) -> Result<Tensor> {
        Ok(self.apply(&Unary::<Tanh>::new(x.shape()), &[x])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::tanh`](crate::Commands::tanh), differentiable.
    ///
    /// # Errors
    /// `DType`; as [`Tape::apply`].
    pub fn tanh(&mut self, x: Var) -> Result<Var> {
        let shape = self.spec(x)?.shape;
        self.apply_one(Unary::<Tanh>::new(&shape), &[x])
    }
}

/// The op.
pub static SPEC: OpSpec =
    OpSpec { name: "tanh", formula: "dst = tanh(x)", differentiable: true, kernels: &[&FORWARD, &BACKWARD], cases };

fn cases() -> Vec<Case> {
    unary::smooth_cases::<Tanh>(0.5)
}
