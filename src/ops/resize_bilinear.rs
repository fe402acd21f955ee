//! Bilinear resampling of two neighbouring axes.

use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::Real;
use crate::cpu::resize_bilinear::{self as cpu, Extents};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::DType;
use crate::kernel::{Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Tape, Var};

crate::params! {
    /// Parameters of both kernels.
    struct Params { outer: u32, in_rows: u32, in_cols: u32, rows: u32, cols: u32, inner: u32 }
}

const X: &str = "[outer, in_rows, in_cols, inner]";
const DST: &str = "[outer, rows, cols, inner]";

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "resize_bilinear",
    source: source!("resize_bilinear", "grid", "resize"),
    params: Params::FIELDS,
    bindings: &[input("x", Elem::Storage, X), output("dst", Elem::Storage, DST)],
    constants: &[],
};

/// Backward.
pub static BACKWARD: Kernel = Kernel {
    name: "resize_bilinear_bwd",
    source: source!("resize_bilinear_bwd", "grid", "resize"),
    params: Params::FIELDS,
    bindings: &[input("dst_bar", Elem::Storage, DST), output("x_bar", Elem::Storage, X)],
    constants: &[],
};

/// The largest extent of a grid: twice the product of two such fits 32 bits.
const LARGEST: usize = 32_767;

/// A resampling with fixed extents.
#[derive(Clone, Debug)]
pub struct ResizeBilinear {
    shape: Vec<usize>,
    axis: usize,
    extents: Extents,
}

impl ResizeBilinear {
    /// Resamples axes `axis` and `axis + 1` of a tensor with extents `x` to `to`.
    ///
    /// # Errors
    /// `Shape` if those axes are not there or empty, `Param` if `to` is, `Index` for a grid with an extent above 32767
    /// or more elements than 32-bit indices reach.
    pub fn new(x: &[usize], axis: usize, to: [usize; 2]) -> Result<ResizeBilinear> {
        let name = "resize_bilinear";
        let (Some(&rows), Some(&cols)) = (x.get(axis), x.get(axis.saturating_add(1))) else {
            let wanted = format!("the first of two axes of {x:?}");
            return Err(Error::argument(ErrorKind::Shape, name, "axis", axis, wanted));
        };
        if rows == 0 || cols == 0 {
            return Err(Error::argument(ErrorKind::Shape, name, "x", format!("{x:?}"), "at least one pixel"));
        }
        if to.contains(&0) {
            return Err(Error::argument(ErrorKind::Param, name, "to", format!("{to:?}"), "at least one pixel"));
        }
        let product = |extents: &[usize]| extents.iter().try_fold(1usize, |n, extent| n.checked_mul(*extent));
        let mut after = x.to_vec();
        after[axis..axis + 2].copy_from_slice(&to);
        let fits = [x, &after].iter().all(|shape| product(shape).is_some_and(|n| u32::try_from(n).is_ok()));
        let (outer, inner) = (product(&x[..axis]), product(&x[axis + 2..]));
        match (outer, inner) {
            (Some(outer), Some(inner)) if fits && [rows, cols, to[0], to[1]].iter().all(|n| *n <= LARGEST) => {
                let extents = Extents { outer, from: [rows, cols], to, inner };
                Ok(ResizeBilinear { shape: x.to_vec(), axis, extents })
            }
            _ => {
                let message = format!("{name}: {x:?} to {after:?} is more than 32-bit indices reach");
                Err(Error::new(ErrorKind::Index, message))
            }
        }
    }

    fn dst_shape(&self) -> Vec<usize> {
        let mut shape = self.shape.clone();
        shape[self.axis..self.axis + 2].copy_from_slice(&self.extents.to);
        shape
    }

    #[cfg(feature = "gpu")]
    fn params(&self) -> Params {
        let e = &self.extents;
        let [outer, in_rows, in_cols, rows, cols, inner] =
            [e.outer, e.from[0], e.from[1], e.to[0], e.to[1], e.inner].map(|v| v as u32);
        Params { outer, in_rows, in_cols, rows, cols, inner }
    }

    /// Loop rounds of one element of the backward pass: the pixels of `dst` within one pixel of `x` on either side.
    #[cfg(feature = "gpu")]
    fn rounds(&self) -> usize {
        let [down, across] = [0, 1].map(|k| 2 * self.extents.to[k].div_ceil(self.extents.from[k]) + 3);
        down * (1 + across)
    }
}

impl Op for ResizeBilinear {
    fn name(&self) -> &'static str {
        "resize_bilinear"
    }
    fn inputs(&self) -> Vec<Port> {
        vec![Port::storage("x", &self.shape)]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::storage("dst", &self.dst_shape())]
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(inputs[0], &self.extents)]
    }
    fn reference_vjp<R: Real>(&self, _: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::backward(cotangents[0], &self.extents)]
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], dtype: DType) -> Result<Vec<Tensor>> {
        let dst = commands.empty(&self.dst_shape(), dtype)?;
        let work = Work::invocations(dst.len()).flops(9 * dst.len());
        commands.dispatch(&FORWARD, dtype, &[], &self.params(), &[read(inputs[0]), write(&dst)], work)?;
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
        let work = Work::invocations(x_bar.len()).rounds(self.rounds()).flops(12 * g.len());
        commands.dispatch(&BACKWARD, dtype, &[], &self.params(), &[read(g), write(&x_bar)], work)?;
        Ok(vec![Some(x_bar)])
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// Resamples axes `axis` and `axis + 1` of `x` to `to` rows and columns: bilinear, corners not aligned, clamped at
    /// the borders, without smoothing, as PyTorch's `interpolate`.
    ///
    /// # Errors
    /// `Shape`, `Param` for an empty `to`, `Index`, `DType`; as [`Commands::apply`].
    pub fn resize_bilinear(&mut self, x: &Tensor, axis: usize, to: [usize; 2]) -> Result<Tensor> {
        Ok(self.apply(&ResizeBilinear::new(x.shape(), axis, to)?, &[x])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::resize_bilinear`](crate::Commands::resize_bilinear), differentiable in `x`.
    ///
    /// # Errors
    /// As [`Commands::resize_bilinear`](crate::Commands::resize_bilinear).
    pub fn resize_bilinear(&mut self, x: Var, axis: usize, to: [usize; 2]) -> Result<Var> {
        let op = ResizeBilinear::new(&self.spec(x)?.shape, axis, to)?;
        self.apply_one(op, &[x])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "resize_bilinear",
    formula: "dst[r,c] = x at ((r + 1/2) H / h - 1/2, (c + 1/2) W / w - 1/2), bilinear",
    differentiable: true,
    kernels: &[&FORWARD, &BACKWARD],
    cases,
};

fn cases() -> Vec<Case> {
    let case = |x: &[usize], axis: usize, to: [usize; 2]| {
        let op = ResizeBilinear::new(x, axis, to).ok()?;
        Some(Case::new(format!("{x:?} axis {axis} to {to:?}"), op, vec![Fill::Uniform]))
    };
    let mut cases: Vec<Option<Case>> = [
        (&[0, 2, 3][..], 1, [4, 4]),
        (&[1, 1], 0, [3, 5]),
        (&[4, 6, 3], 0, [1, 1]),
        (&[2, 3, 5, 7], 2, [5, 7]),
        (&[2, 3, 5, 7], 2, [9, 4]),
        (&[2, 7, 5, 3], 1, [3, 11]),
        (&[13, 2, 65], 0, [6, 17]),
        (&[1, 40], 0, [3, 7]),
        (&[7, 3], 0, [64, 2]),
    ]
    .into_iter()
    .map(|(x, axis, to)| case(x, axis, to))
    .collect();
    // Weights are multiples of 1/4 here, so integers stay exact.
    cases.push(case(&[2, 3, 5, 4], 1, [6, 10]).map(Case::linear));
    cases.push(case(&[4, 8, 3], 0, [2, 4]).map(Case::linear));
    cases.push(case(&[3, 4, 2], 0, [5, 3]).map(Case::ladder));
    cases.push(case(&[8, 64, 32, 32], 2, [48, 48]).map(Case::bench));
    cases.into_iter().flatten().collect()
}
