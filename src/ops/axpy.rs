//! `dst = alpha x + y`, alpha a number of the host.

use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::{Real, axpy as cpu};
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

/// Forward. The backward pass is `scale` and a copy of the handle.
pub static KERNEL: Kernel = Kernel {
    name: "axpy",
    source: source!("axpy", "grid"),
    params: Params::FIELDS,
    bindings: &[
        input("x", Elem::Storage, "[len]"),
        input("y", Elem::Storage, "[len]"),
        output("dst", Elem::Storage, "[len]"),
    ],
    constants: &[],
};

/// `alpha x + y`, elementwise.
#[derive(Clone, Debug)]
pub struct Axpy {
    shape: Vec<usize>,
    alpha: f32,
}

impl Op for Axpy {
    fn name(&self) -> &'static str {
        "axpy"
    }
    fn inputs(&self) -> Vec<Port> {
        vec![Port::storage("x", &self.shape), Port::storage("y", &self.shape)]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::storage("dst", &self.shape)]
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(self.alpha, inputs[0], inputs[1])]
    }
    fn reference_vjp<R: Real>(&self, _: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        cpu::backward(self.alpha, cotangents[0]).into()
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], dtype: DType) -> Result<Vec<Tensor>> {
        let (x, y) = (inputs[0], inputs[1]);
        let dst = commands.empty(x.shape(), dtype)?;
        let params = Params { len: x.len() as u32, alpha: self.alpha };
        let work = Work::invocations(x.len()).flops(2 * x.len());
        commands.dispatch(&KERNEL, dtype, &[], &params, &[read(x), read(y), write(&dst)], work)?;
        Ok(vec![dst])
    }
    #[cfg(feature = "gpu")]
    fn backward(
        &self,
        commands: &mut Commands,
        _: &[&Tensor],
        cotangents: &[Option<&Tensor>],
        needs: &[bool],
        _: DType,
    ) -> Result<Vec<Option<Tensor>>> {
        let g = cotangents[0];
        let x_bar = g.filter(|_| needs[0]).map(|g| commands.scale(self.alpha, g)).transpose()?;
        Ok(vec![x_bar, g.cloned()])
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `alpha x + y` of equal extents and type.
    ///
    /// # Errors
    /// `Param` if `alpha` is not finite, `Shape`, `DType`; as [`Commands::apply`].
    pub fn axpy(&mut self, alpha: f32, x: &Tensor, y: &Tensor) -> Result<Tensor> {
        super::finite("axpy", "alpha", alpha)?;
        Ok(self.apply(&Axpy { shape: x.shape().to_vec(), alpha }, &[x, y])?.remove(0))
    }
}

impl Tape {
    /// `alpha x + y` of equal extents and type, differentiable in both.
    ///
    /// # Errors
    /// `Param` if `alpha` is not finite, `Shape`, `DType`; as [`Tape::apply`].
    pub fn axpy(&mut self, alpha: f32, x: Var, y: Var) -> Result<Var> {
        super::finite("axpy", "alpha", alpha)?;
        let shape = self.spec(x)?.shape;
        self.apply_one(Axpy { shape, alpha }, &[x, y])
    }
}

/// The op.
pub static SPEC: OpSpec =
    OpSpec { name: "axpy", formula: "dst = alpha x + y", differentiable: true, kernels: &[&KERNEL], cases };

fn cases() -> Vec<Case> {
    super::elementwise_sizes()
        .into_iter()
        .map(|(shape, edge)| {
            let op = Axpy { shape: shape.clone(), alpha: 0.75 };
            super::finish_elementwise(Case::new(format!("{shape:?}"), op, vec![Fill::Uniform, Fill::Mixed(20)]), edge)
        })
        .collect()
}
