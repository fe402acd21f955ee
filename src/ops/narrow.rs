//! A part of a tensor along an axis.

use super::layout::indexable;
use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::{Real, narrow as cpu};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::DType;
use crate::kernel::{Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Tape, Var};

crate::params! {
    /// Parameters of both kernels.
    struct Params { len: u32, part: u32, run: u32, offset: u32 }
}

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "narrow",
    source: source!("narrow", "grid"),
    params: Params::FIELDS,
    bindings: &[input("x", Elem::Storage, "[outer, run]"), output("dst", Elem::Storage, "[outer, part]")],
    constants: &[],
};

/// Cotangent of the whole.
pub static BACKWARD: Kernel = Kernel {
    name: "narrow_bwd",
    source: source!("narrow_bwd", "grid"),
    params: Params::FIELDS,
    bindings: &[input("dst_bar", Elem::Storage, "[outer, part]"), output("x_bar", Elem::Storage, "[outer, run]")],
    constants: &[],
};

/// A part of a tensor of fixed extents.
#[derive(Clone, Debug)]
pub struct Narrow {
    x: Vec<usize>,
    dst: Vec<usize>,
    part: usize,
    run: usize,
    offset: usize,
}

impl Narrow {
    /// `len` places of `axis` from `start` on, of a tensor of extents `x`.
    ///
    /// # Errors
    /// `Shape` if there is no such axis or it ends before, `Index` past 32 bits.
    pub fn new(x: &[usize], axis: usize, start: usize, len: usize) -> Result<Narrow> {
        let Some(along) = x.get(axis) else {
            return Err(Error::argument(ErrorKind::Shape, "narrow", "axis", axis, format!("an axis of {x:?}")));
        };
        if start.checked_add(len).is_none_or(|end| end > *along) {
            let (got, wanted) = (format!("{len} places from {start}"), format!("within the {along} of axis {axis}"));
            return Err(Error::argument(ErrorKind::Shape, "narrow", "start", got, wanted));
        }
        indexable("narrow", x)?;
        let inner: usize = x[axis + 1..].iter().product();
        let mut dst = x.to_vec();
        dst[axis] = len;
        Ok(Narrow { x: x.to_vec(), dst, part: len * inner, run: along * inner, offset: start * inner })
    }

    #[cfg(feature = "gpu")]
    fn params(&self, dst: &Tensor) -> Params {
        let [len, part, run, offset] = [dst.len(), self.part, self.run, self.offset].map(|v| v as u32);
        Params { len, part, run, offset }
    }
}

impl Op for Narrow {
    fn name(&self) -> &'static str {
        "narrow"
    }
    fn inputs(&self) -> Vec<Port> {
        vec![Port::storage("x", &self.x)]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::storage("dst", &self.dst)]
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(inputs[0], self.part, self.run, self.offset)]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        let outer = inputs[0].len().checked_div(self.run).unwrap_or(0);
        vec![cpu::backward(cotangents[0], outer, self.part, self.run, self.offset)]
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], dtype: DType) -> Result<Vec<Tensor>> {
        let dst = commands.empty(&self.dst, dtype)?;
        let work = Work::invocations(dst.len());
        commands.dispatch(&FORWARD, dtype, &[], &self.params(&dst), &[read(inputs[0]), write(&dst)], work)?;
        Ok(vec![dst])
    }
    #[cfg(feature = "gpu")]
    fn backward(
        &self,
        commands: &mut Commands,
        _: &[&Tensor],
        cotangents: &[Option<&Tensor>],
        needs: &[bool],
        dtype: DType,
    ) -> Result<Vec<Option<Tensor>>> {
        let (Some(g), true) = (cotangents[0], needs[0]) else { return Ok(vec![None]) };
        let bar = commands.empty(&self.x, dtype)?;
        let work = Work::invocations(bar.len());
        commands.dispatch(&BACKWARD, dtype, &[], &self.params(&bar), &[read(g), write(&bar)], work)?;
        Ok(vec![Some(bar)])
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `len` places of `axis` of `x`, from `start` on, which may be none.
    ///
    /// # Errors
    /// `Shape`, `DType`, `Index`; as [`Commands::apply`].
    pub fn narrow(&mut self, x: &Tensor, axis: usize, start: usize, len: usize) -> Result<Tensor> {
        Ok(self.apply(&Narrow::new(x.shape(), axis, start, len)?, &[x])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::narrow`](crate::Commands::narrow), differentiable.
    ///
    /// # Errors
    /// As [`Commands::narrow`](crate::Commands::narrow).
    pub fn narrow(&mut self, x: Var, axis: usize, start: usize, len: usize) -> Result<Var> {
        let op = Narrow::new(&self.spec(x)?.shape, axis, start, len)?;
        self.apply_one(op, &[x])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "narrow",
    formula: "dst = a part of x along an axis",
    differentiable: true,
    kernels: &[&FORWARD, &BACKWARD],
    cases,
};

fn cases() -> Vec<Case> {
    let case = |x: &[usize], axis: usize, start: usize, len: usize, label: &str, fill: Fill| {
        let op = Narrow::new(x, axis, start, len).ok()?;
        Some(Case::new(format!("{x:?} axis {axis} from {start}, {len}{label}"), op, vec![fill]).linear())
    };
    let plain = |x: &[usize], axis: usize, start: usize, len: usize| case(x, axis, start, len, "", Fill::Uniform);
    let mut cases: Vec<Case> = [
        plain(&[0, 3], 1, 1, 1),
        plain(&[2, 0], 1, 0, 0),
        plain(&[2, 3], 1, 1, 0),
        plain(&[1], 0, 0, 1),
        plain(&[5], 0, 1, 3),
        plain(&[3, 7], 1, 0, 7),
        plain(&[3, 7], 0, 2, 1),
        plain(&[3, 7], 1, 6, 1),
        plain(&[2, 5, 6], 1, 1, 3),
        plain(&[1, 64], 1, 1, 63),
        plain(&[2, 65], 1, 0, 32),
        plain(&[2, 129], 1, 65, 64),
        case(&[2, 64], 1, 31, 33, " mixed scales", Fill::Mixed(20)),
        case(&[2, 3], 1, 1, 2, " ladder", Fill::Uniform).map(Case::ladder),
    ]
    .into_iter()
    .flatten()
    .collect();
    cases.extend(plain(&[16, 256, 768], 2, 512, 256).map(Case::bench));
    cases
}
