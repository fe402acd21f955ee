//! `dst = x` in another storage type. Between equal types it is a copy.

use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::{Real, cast as cpu};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor};
use crate::kernel::DType;
use crate::tape::accumulate::{NARROW, WIDEN};
use crate::tape::{Tape, Var};

/// A change of storage type.
#[derive(Clone, Debug)]
pub struct Cast {
    shape: Vec<usize>,
    from: DType,
    to: DType,
}

impl Cast {
    fn new(shape: &[usize], from: DType, to: DType) -> Result<Cast> {
        for (argument, dtype) in [("x", from), ("to", to)] {
            if dtype == DType::U32 {
                return Err(Error::argument(ErrorKind::DType, "cast", argument, dtype, "f32 or f16"));
            }
        }
        Ok(Cast { shape: shape.to_vec(), from, to })
    }

    /// The narrower of the two types; the other port is f32 or equal to it.
    fn storage(&self) -> DType {
        if self.from == DType::F16 { self.from } else { self.to }
    }

    fn port(&self, name: &'static str, dtype: DType) -> Port {
        if dtype == self.storage() { Port::storage(name, &self.shape) } else { Port::f32(name, &self.shape) }
    }
}

#[cfg(feature = "gpu")]
fn convert(commands: &mut Commands, x: &Tensor, to: DType) -> Result<Tensor> {
    if x.dtype() == to {
        return commands.copy(x);
    }
    if to == DType::F32 {
        return crate::tape::accumulate::widen(commands, x);
    }
    crate::tape::accumulate::narrow(commands, x, to)
}

impl Op for Cast {
    fn name(&self) -> &'static str {
        "cast"
    }
    fn inputs(&self) -> Vec<Port> {
        vec![self.port("x", self.from)]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![self.port("dst", self.to)]
    }
    fn dtype(&self) -> Option<DType> {
        Some(self.storage())
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(inputs[0])]
    }
    fn reference_vjp<R: Real>(&self, _: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(cotangents[0])]
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], _: DType) -> Result<Vec<Tensor>> {
        Ok(vec![convert(commands, inputs[0], self.to)?])
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
        Ok(vec![cotangents[0].map(|g| convert(commands, g, self.from)).transpose()?])
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `x` stored as `to`; the rounding to f16 is the device's, to either neighbour.
    ///
    /// # Errors
    /// `DType` for integers; as [`Commands::apply`].
    pub fn cast(&mut self, x: &Tensor, to: DType) -> Result<Tensor> {
        Ok(self.apply(&Cast::new(x.shape(), x.dtype(), to)?, &[x])?.remove(0))
    }
}

impl Tape {
    /// `x` stored as `to`; cotangents go back in `x`'s type.
    ///
    /// # Errors
    /// `DType` for integers; as [`Tape::apply`].
    pub fn cast(&mut self, x: Var, to: DType) -> Result<Var> {
        let spec = self.spec(x)?;
        self.apply_one(Cast::new(&spec.shape, spec.dtype, to)?, &[x])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "cast",
    formula: "dst = x, stored as f32 or f16",
    differentiable: true,
    kernels: &[&WIDEN, &NARROW],
    cases,
};

fn cases() -> Vec<Case> {
    let pairs =
        [(DType::F32, DType::F16), (DType::F16, DType::F32), (DType::F32, DType::F32), (DType::F16, DType::F16)];
    let mut cases = Vec::new();
    for (shape, edge) in super::elementwise_sizes() {
        for (from, to) in pairs {
            let op = Cast { shape: shape.clone(), from, to };
            let case = Case::new(format!("{shape:?} {from} to {to}"), op, vec![Fill::Mixed(8)]);
            cases.push(super::finish_elementwise(case, edge));
        }
    }
    cases
}
