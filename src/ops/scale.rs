//! `dst = alpha x`, alpha a number of the host.

use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::{Real, scale as cpu};
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::DType;
use crate::kernel::{Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Tape, Var};

crate::params! {
    /// Parameters of the kernel.
    struct Params { len: u32, alpha: f32 }
}

/// Forward, and, being its own transpose, backward.
pub static KERNEL: Kernel = Kernel {
    name: "scale",
    source: source!("scale", "grid"),
    params: Params::FIELDS,
    bindings: &[input("x", Elem::Storage, "[len]"), output("dst", Elem::Storage, "[len]")],
    constants: &[],
};

/// `alpha x`, elementwise.
#[derive(Clone, Debug)]
pub struct Scale {
    shape: Vec<usize>,
    alpha: f32,
}

impl Scale {
    #[cfg(feature = "gpu")]
    fn run(&self, commands: &mut Commands, x: &Tensor) -> Result<Tensor> {
        let dst = commands.empty(x.shape(), x.dtype())?;
        let params = Params { len: x.len() as u32, alpha: self.alpha };
        let work = Work::invocations(x.len()).flops(x.len());
        commands.dispatch(&KERNEL, x.dtype(), &[], &params, &[read(x), write(&dst)], work)?;
        Ok(dst)
    }
}

impl Op for Scale {
    fn name(&self) -> &'static str {
        "scale"
    }
    fn inputs(&self) -> Vec<Port> {
        vec![Port::storage("x", &self.shape)]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::storage("dst", &self.shape)]
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(self.alpha, inputs[0])]
    }
    fn reference_vjp<R: Real>(&self, _: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(self.alpha, cotangents[0])]
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], _: DType) -> Result<Vec<Tensor>> {
        Ok(vec![self.run(commands, inputs[0])?])
    }
    #[cfg(feature = "gpu")]
    fn backward(
        &self,
        commands: &mut Commands,
        _: &[&Tensor],
        cotangents: &[Option<&Tensor>],
        _: &[bool],
        _: DType,
    ) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![cotangents[0].map(|g| self.run(commands, g)).transpose()?])
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `alpha x`.
    ///
    /// # Errors
    /// `Param` if `alpha` is not finite; as [`Commands::apply`].
    pub fn scale(&mut self, alpha: f32, x: &Tensor) -> Result<Tensor> {
        super::finite("scale", "alpha", alpha)?;
        Ok(self.apply(&Scale { shape: x.shape().to_vec(), alpha }, &[x])?.remove(0))
    }
}

impl Tape {
    /// `alpha x`, differentiable in `x`.
    ///
    /// # Errors
    /// `Param` if `alpha` is not finite; as [`Tape::apply`].
    pub fn scale(&mut self, alpha: f32, x: Var) -> Result<Var> {
        super::finite("scale", "alpha", alpha)?;
        let shape = self.spec(x)?.shape;
        self.apply_one(Scale { shape, alpha }, &[x])
    }
}

/// The op.
pub static SPEC: OpSpec =
    OpSpec { name: "scale", formula: "dst = alpha x", differentiable: true, kernels: &[&KERNEL], cases };

fn cases() -> Vec<Case> {
    super::elementwise_sizes()
        .into_iter()
        .map(|(shape, edge)| {
            let op = Scale { shape: shape.clone(), alpha: -3.0 };
            super::finish_elementwise(Case::new(format!("{shape:?}"), op, vec![Fill::Mixed(20)]), edge)
        })
        .collect()
}
