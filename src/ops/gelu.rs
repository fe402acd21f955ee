//! The Gaussian error linear unit `dst = x Phi(x)`, exact.

use super::spec::{Case, OpSpec};
use super::unary::{self, Map, Unary};
use crate::cpu::{Real, gelu as cpu};
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor};
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

/// The map.
struct Gelu;

impl Map for Gelu {
    const NAME: &'static str = "gelu";
    const KERNEL: &'static Kernel = &FORWARD;
    const KERNEL_BWD: &'static Kernel = &BACKWARD;
    const FLOPS: [usize; 2] = [30, 40];

    fn value<R: Real>(x: &[R]) -> Vec<R> {
        cpu::forward(x)
    }
    fn pull<R: Real>(x: &[R], dst_bar: &[R]) -> Vec<R> {
        cpu::backward(x, dst_bar)
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
        Ok(self.apply(&Unary::<Gelu>::new(x.shape()), &[x])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::gelu`](crate::Commands::gelu), differentiable.
    ///
    /// # Errors
    /// `DType`; as [`Tape::apply`].
    pub fn gelu(&mut self, x: Var) -> Result<Var> {
        let shape = self.spec(x)?.shape;
        self.apply_one(Unary::<Gelu>::new(&shape), &[x])
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
    unary::smooth_cases::<Gelu>(-0.75179)
}
