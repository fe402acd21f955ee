//! `dst = sum a_i b_i`, in f32.

use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::{Real, dot as cpu};
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::DType;
use crate::kernel::{Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Tape, Var};

crate::params! {
    /// Parameters of both kernels.
    struct Params { len: u32 }
}

/// Elements of one tile, as in the shader.
#[cfg(feature = "gpu")]
const TILE: usize = 4096;

/// Partial sums; `sum_rows` adds them.
pub static FORWARD: Kernel = Kernel {
    name: "dot",
    source: source!("dot", "grid", "reduce"),
    params: Params::FIELDS,
    bindings: &[
        input("a", Elem::Storage, "[len]"),
        input("b", Elem::Storage, "[len]"),
        output("partial", Elem::F32, "[tiles]"),
    ],
    constants: &[],
};

/// One cotangent.
pub static BACKWARD: Kernel = Kernel {
    name: "dot_bwd",
    source: source!("dot_bwd", "grid"),
    params: Params::FIELDS,
    bindings: &[
        input("dst_bar", Elem::F32, "[1]"),
        input("b", Elem::Storage, "[len]"),
        output("a_bar", Elem::Storage, "[len]"),
    ],
    constants: &[],
};

/// The inner product of two tensors of equal extents.
#[derive(Clone, Debug)]
pub struct Dot {
    shape: Vec<usize>,
}

#[cfg(feature = "gpu")]
fn cotangent(commands: &mut Commands, g: &Tensor, other: &Tensor) -> Result<Tensor> {
    let dst = commands.empty(other.shape(), other.dtype())?;
    let params = Params { len: other.len() as u32 };
    let work = Work::invocations(other.len()).flops(other.len());
    commands.dispatch(&BACKWARD, other.dtype(), &[], &params, &[read(g), read(other), write(&dst)], work)?;
    Ok(dst)
}

impl Op for Dot {
    fn name(&self) -> &'static str {
        "dot"
    }
    fn inputs(&self) -> Vec<Port> {
        vec![Port::storage("a", &self.shape), Port::storage("b", &self.shape)]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::f32("dst", &[1])]
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(inputs[0], inputs[1])]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        cpu::backward(inputs[0], inputs[1], cotangents[0][0]).into()
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], dtype: DType) -> Result<Vec<Tensor>> {
        let (a, b) = (inputs[0], inputs[1]);
        let tiles = a.len().div_ceil(TILE);
        let partial = commands.empty(&[tiles], DType::F32)?;
        let params = Params { len: a.len() as u32 };
        let work = Work::workgroups(tiles).flops(2 * a.len());
        commands.dispatch(&FORWARD, dtype, &[], &params, &[read(a), read(b), write(&partial)], work)?;
        Ok(vec![super::sum_rows::sum_rows(commands, &partial, 0, tiles, &[1])?])
    }
    #[cfg(feature = "gpu")]
    fn backward(
        &self,
        commands: &mut Commands,
        inputs: &[&Tensor],
        cotangents: &[Option<&Tensor>],
        needs: &[bool],
        _: DType,
    ) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = cotangents[0] else { return Ok(vec![None, None]) };
        let a_bar = needs[0].then(|| cotangent(commands, g, inputs[1])).transpose()?;
        let b_bar = needs[1].then(|| cotangent(commands, g, inputs[0])).transpose()?;
        Ok(vec![a_bar, b_bar])
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `[sum a_i b_i]` in f32, by a tree of fixed shape.
    ///
    /// # Errors
    /// `Shape`, `DType`; as [`Commands::apply`].
    pub fn dot(&mut self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        Ok(self.apply(&Dot { shape: a.shape().to_vec() }, &[a, b])?.remove(0))
    }
}

impl Tape {
    /// `[sum a_i b_i]` in f32, differentiable in both.
    ///
    /// # Errors
    /// `Shape`, `DType`; as [`Tape::apply`].
    pub fn dot(&mut self, a: Var, b: Var) -> Result<Var> {
        let shape = self.spec(a)?.shape;
        self.apply_one(Dot { shape }, &[a, b])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "dot",
    formula: "dst = sum a b",
    differentiable: true,
    kernels: &[&FORWARD, &BACKWARD, &super::sum_rows::KERNEL],
    cases,
};

fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = super::elementwise_sizes()
        .into_iter()
        .map(|(shape, edge)| {
            let case =
                Case::new(format!("{shape:?}"), Dot { shape: shape.clone() }, vec![Fill::Uniform, Fill::Uniform]);
            super::finish_elementwise(case, edge)
        })
        .collect();
    for (label, fills) in [
        ("one tile and one more", vec![Fill::Uniform, Fill::Uniform]),
        ("cancelling", vec![Fill::Values(vec![1.0, -1.0]), Fill::Values(vec![1000.0])]),
        ("single nonzero", vec![Fill::OneHot, Fill::Uniform]),
        ("mixed scales", vec![Fill::Mixed(20), Fill::Mixed(20)]),
    ] {
        cases.push(Case::new(format!("[4097] {label}"), Dot { shape: vec![4097] }, fills).linear());
    }
    cases
}
