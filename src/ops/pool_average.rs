//! Means of planes: `[B, C, ..]` to `[B, C]`.

use super::layout::plane;
use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::{Real, pool_average as cpu};
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::{DType, WORKGROUP};
use crate::kernel::{Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Tape, Var};

crate::params! {
    /// Parameters of the forward kernel.
    struct Params { planes: u32, plane: u32 }
}

crate::params! {
    /// Parameters of the backward kernel.
    struct ParamsBwd { len: u32, plane: u32 }
}

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "pool_average",
    source: source!("pool_average", "grid", "reduce"),
    params: Params::FIELDS,
    bindings: &[input("x", Elem::Storage, "[planes, plane]"), output("dst", Elem::Storage, "[planes]")],
    constants: &[],
};

/// Backward.
pub static BACKWARD: Kernel = Kernel {
    name: "pool_average_bwd",
    source: source!("pool_average_bwd", "grid"),
    params: ParamsBwd::FIELDS,
    bindings: &[input("dst_bar", Elem::Storage, "[planes]"), output("x_bar", Elem::Storage, "[planes, plane]")],
    constants: &[],
};

/// A pooling with fixed extents.
#[derive(Clone, Debug)]
pub struct PoolAverage {
    shape: Vec<usize>,
    plane: usize,
}

impl PoolAverage {
    /// A pooling of `[B, C, ..]` over all axes after the second.
    ///
    /// # Errors
    /// `Shape` for fewer than two axes or a plane without elements, `Index` past 32 bits.
    pub fn new(shape: &[usize]) -> Result<PoolAverage> {
        Ok(PoolAverage { shape: shape.to_vec(), plane: plane("pool_average", shape)? })
    }

    #[cfg(feature = "gpu")]
    fn planes(&self) -> usize {
        self.shape[0] * self.shape[1]
    }
}

impl Op for PoolAverage {
    fn name(&self) -> &'static str {
        "pool_average"
    }
    fn inputs(&self) -> Vec<Port> {
        vec![Port::storage("x", &self.shape)]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::storage("dst", &self.shape[..2])]
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(inputs[0], self.plane)]
    }
    fn reference_vjp<R: Real>(&self, _: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::backward(cotangents[0], self.plane)]
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], dtype: DType) -> Result<Vec<Tensor>> {
        let dst = commands.empty(&self.shape[..2], dtype)?;
        let work =
            Work::workgroups(self.planes()).rounds(self.plane.div_ceil(WORKGROUP as usize) + 8).flops(inputs[0].len());
        let params = Params { planes: self.planes() as u32, plane: self.plane as u32 };
        commands.dispatch(&FORWARD, dtype, &[], &params, &[read(inputs[0]), write(&dst)], work)?;
        Ok(vec![dst])
    }
    #[cfg(feature = "gpu")]
    fn backward(
        &self,
        commands: &mut Commands,
        _: &[&Tensor],
        cotangents: &[Option<&Tensor>],
        _: &[bool],
        dtype: DType,
    ) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = cotangents[0] else { return Ok(vec![None]) };
        let x_bar = commands.empty(&self.shape, dtype)?;
        let work = Work::invocations(x_bar.len()).flops(x_bar.len());
        let params = ParamsBwd { len: x_bar.len() as u32, plane: self.plane as u32 };
        commands.dispatch(&BACKWARD, dtype, &[], &params, &[read(g), write(&x_bar)], work)?;
        Ok(vec![Some(x_bar)])
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// The mean of each plane of `x` `[B, C, ..]`: `[B, C]`.
    ///
    /// # Errors
    /// `Shape` for fewer than two axes or empty planes, `DType`; as [`Commands::apply`].
    pub fn pool_average(&mut self, x: &Tensor) -> Result<Tensor> {
        Ok(self.apply(&PoolAverage::new(x.shape())?, &[x])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::pool_average`](crate::Commands::pool_average), differentiable.
    ///
    /// # Errors
    /// As [`Commands::pool_average`](crate::Commands::pool_average).
    pub fn pool_average(&mut self, x: Var) -> Result<Var> {
        let op = PoolAverage::new(&self.spec(x)?.shape)?;
        self.apply_one(op, &[x])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "pool_average",
    formula: "dst[b,c] = mean of x[b,c,..]",
    differentiable: true,
    kernels: &[&FORWARD, &BACKWARD],
    cases,
};

fn cases() -> Vec<Case> {
    let case = |shape: &[usize], label: &str, fill: Fill| {
        let op = PoolAverage::new(shape).ok()?;
        Some(Case::new(format!("{shape:?}{label}"), op, vec![fill]))
    };
    [
        case(&[0, 3, 4], "", Fill::Uniform),
        case(&[2, 3], "", Fill::Uniform),
        case(&[1, 1, 1], "", Fill::Uniform).map(Case::linear),
        // A power of two divides small integers exactly enough for f32 and f16.
        case(&[2, 3, 4, 4], "", Fill::Uniform).map(Case::linear),
        case(&[2, 5, 9, 9], "", Fill::Uniform),
        case(&[3, 2, 63], "", Fill::Uniform),
        case(&[3, 2, 64], "", Fill::Uniform).map(Case::linear),
        case(&[3, 2, 5, 13], "", Fill::Uniform),
        case(&[1, 2, 65, 67], ", mixed scales", Fill::Mixed(20)),
        case(&[2, 2, 40], ", cancelling", Fill::Values(vec![1000.0, -1000.0, 1.0])),
        case(&[2, 3, 2, 3], " ladder", Fill::Uniform).map(Case::ladder),
        case(&[64, 256, 16, 16], "", Fill::Uniform).map(Case::bench),
    ]
    .into_iter()
    .flatten()
    .collect()
}
