//! `dst_i = value`.

use super::spec::{Case, Op, OpSpec, Port};
use crate::cpu::{Real, fill as cpu};
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, write};
use crate::kernel::{DType, Elem, Kernel, Params as _, output, source};
use crate::tape::{Tape, Var};

crate::params! {
    /// Parameters of the kernel.
    struct Params { len: u32, value: f32 }
}

/// Forward.
pub static KERNEL: Kernel = Kernel {
    name: "fill",
    source: source!("fill", "grid"),
    params: Params::FIELDS,
    bindings: &[output("dst", Elem::Storage, "[len]")],
    constants: &[],
};

/// A constant tensor.
#[derive(Clone, Debug)]
pub struct Filled {
    shape: Vec<usize>,
    value: f32,
    dtype: DType,
}

impl Op for Filled {
    fn name(&self) -> &'static str {
        "fill"
    }
    fn inputs(&self) -> Vec<Port> {
        vec![]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::storage("dst", &self.shape)]
    }
    fn dtype(&self) -> Option<DType> {
        Some(self.dtype)
    }
    fn reference<R: Real>(&self, _: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(self.shape.iter().product(), self.value)]
    }
    fn reference_vjp<R: Real>(&self, _: &[&[R]], _: &[&[R]]) -> Vec<Vec<R>> {
        vec![]
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, _: &[&Tensor], dtype: DType) -> Result<Vec<Tensor>> {
        let dst = commands.empty(&self.shape, dtype)?;
        let params = Params { len: dst.len() as u32, value: self.value };
        commands.dispatch(&KERNEL, dtype, &[], &params, &[write(&dst)], Work::invocations(dst.len()))?;
        Ok(vec![dst])
    }
    #[cfg(feature = "gpu")]
    fn backward(
        &self,
        _: &mut Commands,
        _: &[&Tensor],
        _: &[Option<&Tensor>],
        _: &[bool],
        _: DType,
    ) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![])
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// A tensor of `value` everywhere.
    ///
    /// # Errors
    /// `Param` if `value` is not finite; as [`Commands::apply`].
    pub fn fill(&mut self, value: f32, shape: &[usize], dtype: DType) -> Result<Tensor> {
        super::finite("fill", "value", value)?;
        Ok(self.apply(&Filled { shape: shape.to_vec(), value, dtype }, &[])?.remove(0))
    }
}

impl Tape {
    /// A constant of `value` everywhere.
    ///
    /// # Errors
    /// `Param` if `value` is not finite; as [`Tape::apply`].
    pub fn fill(&mut self, value: f32, shape: &[usize], dtype: DType) -> Result<Var> {
        super::finite("fill", "value", value)?;
        self.apply_one(Filled { shape: shape.to_vec(), value, dtype }, &[])
    }
}

/// The op.
pub static SPEC: OpSpec =
    OpSpec { name: "fill", formula: "dst = value", differentiable: false, kernels: &[&KERNEL], cases };

fn cases() -> Vec<Case> {
    // One workgroup more than one dimension of a grid has.
    let folded = (vec![65_535 * 64 + 1], true);
    super::elementwise_sizes()
        .into_iter()
        .chain([folded])
        .flat_map(|(shape, edge)| {
            [DType::F32, DType::F16].map(|dtype| {
                let op = Filled { shape: shape.clone(), value: -1.5, dtype };
                let case = Case::new(format!("{shape:?}"), op, vec![]);
                if edge { case } else { case.bench() }
            })
        })
        .collect()
}
