//! Elementwise maps of one tensor: the op that they all are, over the function that each one is. Not an op itself.

use std::marker::PhantomData;

use super::spec::{Case, Fill, Op, Port};
use crate::cpu::Real;
#[cfg(feature = "gpu")]
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::DType;
use crate::kernel::{Binding, Elem, Field, Kernel, Params as _, input, output};

crate::params! {
    /// Parameters of both kernels.
    pub(super) struct Params { pub(super) len: u32 }
}

/// Members of the uniform of both kernels.
pub(super) const FIELDS: &[Field] = Params::FIELDS;

/// Bindings of `dst = f(x)`.
pub(super) const FORWARD: &[Binding] = &[input("x", Elem::Storage, "[len]"), output("dst", Elem::Storage, "[len]")];

/// Bindings of `x_bar = f'(x) dst_bar`.
pub(super) const BACKWARD: &[Binding] = &[
    input("x", Elem::Storage, "[len]"),
    input("dst_bar", Elem::Storage, "[len]"),
    output("x_bar", Elem::Storage, "[len]"),
];

/// A function of one number, with its kernels and references.
pub(super) trait Map: Send + Sync + 'static {
    /// The stem.
    const NAME: &'static str;
    /// `dst = f(x)`.
    #[cfg_attr(not(feature = "gpu"), allow(dead_code))]
    const KERNEL: &'static Kernel;
    /// `x_bar = f'(x) dst_bar`.
    #[cfg_attr(not(feature = "gpu"), allow(dead_code))]
    const KERNEL_BWD: &'static Kernel;
    /// Operations an element, forward and backward.
    #[cfg_attr(not(feature = "gpu"), allow(dead_code))]
    const FLOPS: [usize; 2];

    /// `f(x)`.
    fn value<R: Real>(x: &[R]) -> Vec<R>;

    /// `f'(x) dst_bar`.
    fn pull<R: Real>(x: &[R], dst_bar: &[R]) -> Vec<R>;
}

/// The map `M` over a tensor of fixed extents.
pub(super) struct Unary<M> {
    shape: Vec<usize>,
    map: PhantomData<M>,
}

impl<M> Unary<M> {
    pub fn new(shape: &[usize]) -> Unary<M> {
        Unary { shape: shape.to_vec(), map: PhantomData }
    }
}

// A derived one would ask the same of M.
impl<M> Clone for Unary<M> {
    fn clone(&self) -> Unary<M> {
        Unary::new(&self.shape)
    }
}

impl<M: Map> Op for Unary<M> {
    fn name(&self) -> &'static str {
        M::NAME
    }
    fn inputs(&self) -> Vec<Port> {
        vec![Port::storage("x", &self.shape)]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::storage("dst", &self.shape)]
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![M::value(inputs[0])]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        vec![M::pull(inputs[0], cotangents[0])]
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], dtype: DType) -> Result<Vec<Tensor>> {
        let x = inputs[0];
        let dst = commands.empty(&self.shape, dtype)?;
        let work = Work::invocations(x.len()).flops(M::FLOPS[0] * x.len());
        commands.dispatch(M::KERNEL, dtype, &[], &Params { len: x.len() as u32 }, &[read(x), write(&dst)], work)?;
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
        let x = inputs[0];
        let x_bar = commands.empty(&self.shape, dtype)?;
        let work = Work::invocations(x.len()).flops(M::FLOPS[1] * x.len());
        let binds = [read(x), read(g), write(&x_bar)];
        commands.dispatch(M::KERNEL_BWD, dtype, &[], &Params { len: x.len() as u32 }, &binds, work)?;
        Ok(vec![Some(x_bar)])
    }
}

/// Cases of a smooth map whose slope is 0 at `flat`.
pub(super) fn smooth_cases<M: Map>(flat: f64) -> Vec<Case> {
    let mut cases = Vec::new();
    for (shape, edge) in super::elementwise_sizes() {
        let case = Case::new(format!("{shape:?}"), Unary::<M>::new(&shape), vec![Fill::Between(-4.0, 4.0)]);
        cases.push(match edge {
            true if case.op.outputs()[0].len() <= 3 => case.ladder(),
            true => case,
            false => case.bench(),
        });
    }
    let special = vec![0.0, -0.0, 6e-8, -6e-8, 1e-3, flat, -9.5, -13.0, -20.0, -90.0, 9.5, 90.0, 65504.0, -65504.0];
    for (label, fill) in [
        ("wide", Fill::Between(-15.0, 15.0)),
        ("mixed scales", Fill::Mixed(20)),
        ("special numbers", Fill::Values(special)),
    ] {
        cases.push(Case::new(format!("[210] {label}"), Unary::<M>::new(&[210]), vec![fill]));
    }
    cases
}
