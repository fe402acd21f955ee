//! The logarithm of either sign `dst = sign(x) ln(1 + |x|)`.

use super::spec::{Case, OpSpec};
use super::unary::{self, Map, Unary};
use crate::cpu::{Real, symlog as cpu};
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor};
use crate::kernel::{Kernel, source};
use crate::tape::{Tape, Var};

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "symlog",
    source: source!("symlog", "grid", "softplus"),
    params: unary::FIELDS,
    bindings: unary::FORWARD,
    constants: &[],
};

/// Backward.
pub static BACKWARD: Kernel = Kernel {
    name: "symlog_bwd",
    source: source!("symlog_bwd", "grid"),
    params: unary::FIELDS,
    bindings: unary::BACKWARD,
    constants: &[],
};

/// The map.
struct Symlog;

impl Map for Symlog {
    const NAME: &'static str = "symlog";
    const KERNEL: &'static Kernel = &FORWARD;
    const KERNEL_BWD: &'static Kernel = &BACKWARD;
    const FLOPS: [usize; 2] = [44, 3];

    fn value<R: Real>(x: &[R]) -> Vec<R> {
        cpu::forward(x)
    }
    fn pull<R: Real>(x: &[R], dst_bar: &[R]) -> Vec<R> {
        cpu::backward(x, dst_bar)
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `sign(x) ln(1 + |x|)`, relatively accurate near 0 and far from it. The cross entropy of such logits is that of
    /// "stablemax" (Prieto et al. 2025), whose weights grow no faster than the logits.
    ///
    /// # Errors
    /// `DType`; as [`Commands::apply`].
    pub fn symlog(&mut self, x: &Tensor) -> Result<Tensor> {
        Ok(self.apply(&Unary::<Symlog>::new(x.shape()), &[x])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::symlog`](crate::Commands::symlog), differentiable.
    ///
    /// # Errors
    /// `DType`; as [`Tape::apply`].
    pub fn symlog(&mut self, x: Var) -> Result<Var> {
        let shape = self.spec(x)?.shape;
        self.apply_one(Unary::<Symlog>::new(&shape), &[x])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "symlog",
    formula: "dst = sign(x) ln(1 + |x|)",
    differentiable: true,
    kernels: &[&FORWARD, &BACKWARD],
    cases,
};

fn cases() -> Vec<Case> {
    unary::smooth_cases::<Symlog>(1.0)
}
