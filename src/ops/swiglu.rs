//! The gated linear unit `dst = silu(a) b` over the halves of the channels.

use super::layout::channels;
use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::{Channels, Real, swiglu as cpu};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::DType;
use crate::kernel::{Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Tape, Var};

crate::params! {
    /// Parameters of both kernels.
    struct Params { len: u32, run: u32 }
}

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "swiglu",
    source: source!("swiglu", "grid", "silu"),
    params: Params::FIELDS,
    bindings: &[input("x", Elem::Storage, "[outer, 2, run]"), output("dst", Elem::Storage, "[outer, run]")],
    constants: &[],
};

/// Backward.
pub static BACKWARD: Kernel = Kernel {
    name: "swiglu_bwd",
    source: source!("swiglu_bwd", "grid", "silu"),
    params: Params::FIELDS,
    bindings: &[
        input("x", Elem::Storage, "[outer, 2, run]"),
        input("dst_bar", Elem::Storage, "[outer, run]"),
        output("x_bar", Elem::Storage, "[outer, 2, run]"),
    ],
    constants: &[],
};

/// A gate with fixed extents.
#[derive(Clone, Debug)]
pub struct Swiglu {
    x: Vec<usize>,
    dst: Vec<usize>,
    at: Channels,
}

impl Swiglu {
    /// A gate over the halves of axis `axis` of a tensor with extents `shape`.
    ///
    /// # Errors
    /// `Shape` if `axis` is none of `shape` after the first or its extent is odd, `Index` past 32 bits.
    pub fn new(shape: &[usize], axis: usize) -> Result<Swiglu> {
        let both = channels("swiglu", shape, axis)?;
        if both.channels % 2 != 0 {
            let got = format!("{} channels along axis {axis}", both.channels);
            return Err(Error::argument(ErrorKind::Shape, "swiglu", "x", got, "two halves"));
        }
        let at = Channels { channels: both.channels / 2, ..both };
        let mut dst = shape.to_vec();
        dst[axis] = at.channels;
        Ok(Swiglu { x: shape.to_vec(), dst, at })
    }

    #[cfg(feature = "gpu")]
    fn params(&self, len: usize) -> Params {
        Params { len: len as u32, run: (self.at.channels * self.at.inner) as u32 }
    }
}

impl Op for Swiglu {
    fn name(&self) -> &'static str {
        "swiglu"
    }
    fn inputs(&self) -> Vec<Port> {
        vec![Port::storage("x", &self.x)]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::storage("dst", &self.dst)]
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(inputs[0], &self.at)]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::backward(inputs[0], cotangents[0], &self.at)]
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], dtype: DType) -> Result<Vec<Tensor>> {
        let dst = commands.empty(&self.dst, dtype)?;
        let work = Work::invocations(dst.len()).flops(7 * dst.len());
        commands.dispatch(&FORWARD, dtype, &[], &self.params(dst.len()), &[read(inputs[0]), write(&dst)], work)?;
        Ok(vec![dst])
    }
    #[cfg(feature = "gpu")]
    fn backward(
        &self,
        commands: &mut Commands,
        inputs: &[&Tensor],
        cotangents: &[Option<&Tensor>],
        _: &[bool],
        dtype: DType,
    ) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = cotangents[0] else { return Ok(vec![None]) };
        let x_bar = commands.empty(&self.x, dtype)?;
        let work = Work::invocations(g.len()).flops(14 * g.len());
        let binds = [read(inputs[0]), read(g), write(&x_bar)];
        commands.dispatch(&BACKWARD, dtype, &[], &self.params(g.len()), &binds, work)?;
        Ok(vec![Some(x_bar)])
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `silu(a) b`, where `a` is the first half of axis `axis` of `x` and `b` the second: half as many channels.
    ///
    /// # Errors
    /// `Shape` for an odd number of channels, `DType`; as [`Commands::apply`].
    pub fn swiglu(&mut self, x: &Tensor, axis: usize) -> Result<Tensor> {
        Ok(self.apply(&Swiglu::new(x.shape(), axis)?, &[x])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::swiglu`](crate::Commands::swiglu), differentiable.
    ///
    /// # Errors
    /// As [`Commands::swiglu`](crate::Commands::swiglu).
    pub fn swiglu(&mut self, x: Var, axis: usize) -> Result<Var> {
        let op = Swiglu::new(&self.spec(x)?.shape, axis)?;
        self.apply_one(op, &[x])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "swiglu",
    formula: "dst = silu(a) b, x = [a, b] along the channels",
    differentiable: true,
    kernels: &[&FORWARD, &BACKWARD],
    cases,
};

fn cases() -> Vec<Case> {
    let case = |shape: &[usize], axis: usize, label: &str, fill: Fill| {
        let op = Swiglu::new(shape, axis).ok()?;
        Some(Case::new(format!("{shape:?} axis {axis}{label}"), op, vec![fill]))
    };
    let wide = || Fill::Between(-4.0, 4.0);
    [
        case(&[0, 2, 3], 1, "", wide()),
        case(&[1, 2], 1, "", wide()),
        case(&[3, 0, 2], 1, "", wide()),
        case(&[2, 6, 3, 3], 1, "", wide()),
        case(&[2, 3, 10], 2, "", wide()),
        case(&[3, 4, 6, 5], 2, "", wide()),
        case(&[1, 130], 1, "", wide()),
        case(&[2, 20, 5], 1, ", far", Fill::Between(-90.0, 90.0)),
        case(&[2, 20, 5], 1, ", mixed scales", Fill::Mixed(20)),
        case(&[2, 4, 3], 1, " ladder", wide()).map(Case::ladder),
        case(&[4, 256, 512], 2, "", wide()).map(Case::bench),
    ]
    .into_iter()
    .flatten()
    .collect()
}
