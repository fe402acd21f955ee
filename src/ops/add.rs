//! `dst = a + b`.

use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::{Real, add as cpu};
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor};
#[cfg(feature = "gpu")]
use crate::kernel::DType;
use crate::tape::accumulate::ADD;
use crate::tape::{Tape, Var};

/// `a + b`, elementwise.
#[derive(Clone, Debug)]
pub struct Add {
    shape: Vec<usize>,
}

impl Op for Add {
    fn name(&self) -> &'static str {
        "add"
    }
    fn inputs(&self) -> Vec<Port> {
        vec![Port::storage("a", &self.shape), Port::storage("b", &self.shape)]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::storage("dst", &self.shape)]
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(inputs[0], inputs[1])]
    }
    fn reference_vjp<R: Real>(&self, _: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        cpu::backward(cotangents[0]).into()
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], _: DType) -> Result<Vec<Tensor>> {
        Ok(vec![crate::tape::accumulate::add_tensors(commands, inputs[0], inputs[1])?])
    }
    #[cfg(feature = "gpu")]
    fn backward(
        &self,
        _: &mut Commands,
        _: &[&Tensor],
        cotangents: &[Option<&Tensor>],
        _: &[bool],
        _: DType,
    ) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![cotangents[0].cloned(), cotangents[0].cloned()])
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `a + b` of equal extents and type.
    ///
    /// # Errors
    /// `Shape`, `DType`; as [`Commands::apply`].
    pub fn add(&mut self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        Ok(self.apply(&Add { shape: a.shape().to_vec() }, &[a, b])?.remove(0))
    }
}

impl Tape {
    /// `a + b` of equal extents and type, differentiable in both.
    ///
    /// # Errors
    /// `Shape`, `DType`; as [`Tape::apply`].
    pub fn add(&mut self, a: Var, b: Var) -> Result<Var> {
        let shape = self.spec(a)?.shape;
        self.apply_one(Add { shape }, &[a, b])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec { name: "add", formula: "dst = a + b", differentiable: true, kernels: &[&ADD], cases };

fn cases() -> Vec<Case> {
    super::elementwise_sizes()
        .into_iter()
        .map(|(shape, edge)| {
            let case =
                Case::new(format!("{shape:?}"), Add { shape: shape.clone() }, vec![Fill::Uniform, Fill::Mixed(20)]);
            super::finish_elementwise(case, edge)
        })
        .collect()
}
