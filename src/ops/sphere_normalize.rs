//! `dst = x / max(|x|, 1e-12)` per oscillator.

use super::layout::oscillators;
use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::{Oscillators, Real, sphere_normalize as cpu};
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::DType;
use crate::kernel::{Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Tape, Var};

crate::params! {
    /// Parameters of both kernels.
    struct Params { count: u32, n: u32, inner: u32 }
}

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "sphere_normalize",
    source: source!("sphere_normalize", "grid", "sphere"),
    params: Params::FIELDS,
    bindings: &[input("x", Elem::Storage, "[outer, n, inner]"), output("dst", Elem::Storage, "[outer, n, inner]")],
    constants: &[],
};

/// Backward.
pub static BACKWARD: Kernel = Kernel {
    name: "sphere_normalize_bwd",
    source: source!("sphere_normalize_bwd", "grid", "sphere"),
    params: Params::FIELDS,
    bindings: &[
        input("x", Elem::Storage, "[outer, n, inner]"),
        input("dst_bar", Elem::Storage, "[outer, n, inner]"),
        output("x_bar", Elem::Storage, "[outer, n, inner]"),
    ],
    constants: &[],
};

/// Normalisation of every oscillator of a tensor.
#[derive(Clone, Debug)]
pub struct SphereNormalize {
    shape: Vec<usize>,
    at: Oscillators,
}

impl SphereNormalize {
    /// Oscillators of `n` components along `axis` of a tensor with extents `shape`.
    ///
    /// # Errors
    /// `Param` if `n < 2`, `Shape` if the channels do not split into oscillators, `Index`.
    pub fn new(shape: &[usize], axis: usize, n: usize) -> Result<SphereNormalize> {
        Ok(SphereNormalize { shape: shape.to_vec(), at: oscillators("sphere_normalize", shape, axis, n)? })
    }

    #[cfg(feature = "gpu")]
    fn params(&self) -> Params {
        Params { count: self.at.count() as u32, n: self.at.n as u32, inner: self.at.inner as u32 }
    }
}

impl Op for SphereNormalize {
    fn name(&self) -> &'static str {
        "sphere_normalize"
    }
    fn inputs(&self) -> Vec<Port> {
        vec![Port::storage("x", &self.shape)]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::storage("dst", &self.shape)]
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(inputs[0], &self.at)]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::backward(inputs[0], cotangents[0], &self.at)]
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], dtype: DType) -> Result<Vec<Tensor>> {
        let x = inputs[0];
        let dst = commands.empty(x.shape(), dtype)?;
        let work = Work::invocations(self.at.count()).rounds(3 * self.at.n).flops(5 * x.len());
        commands.dispatch(&FORWARD, dtype, &[], &self.params(), &[read(x), write(&dst)], work)?;
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
        let x_bar = commands.empty(x.shape(), dtype)?;
        let work = Work::invocations(self.at.count()).rounds(4 * self.at.n).flops(9 * x.len());
        commands.dispatch(&BACKWARD, dtype, &[], &self.params(), &[read(x), read(g), write(&x_bar)], work)?;
        Ok(vec![Some(x_bar)])
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `x / max(|x|, 1e-12)` for oscillators of `n` components along `axis`, as PyTorch's `functional.normalize`.
    ///
    /// # Errors
    /// `Param` if `n < 2`, `Shape` if the channels do not split into oscillators; as [`Commands::apply`].
    pub fn sphere_normalize(&mut self, x: &Tensor, axis: usize, n: usize) -> Result<Tensor> {
        Ok(self.apply(&SphereNormalize::new(x.shape(), axis, n)?, &[x])?.remove(0))
    }
}

impl Tape {
    /// `x / max(|x|, 1e-12)` for oscillators of `n` components along `axis`. Below the clamp the gradient is that of
    /// `x / 1e-12`.
    ///
    /// # Errors
    /// `Param` if `n < 2`, `Shape` if the channels do not split into oscillators; as [`Tape::apply`].
    pub fn sphere_normalize(&mut self, x: Var, axis: usize, n: usize) -> Result<Var> {
        let op = SphereNormalize::new(&self.spec(x)?.shape, axis, n)?;
        self.apply_one(op, &[x])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "sphere_normalize",
    formula: "dst = x / max(|x|, 1e-12)",
    differentiable: true,
    kernels: &[&FORWARD, &BACKWARD],
    cases,
};

fn cases() -> Vec<Case> {
    let case = |shape: &[usize], axis: usize, n: usize, label: &str, fill: Fill| {
        let op = SphereNormalize::new(shape, axis, n).ok()?;
        let at = op.at;
        let case = Case::new(format!("{shape:?} axis {axis} n {n}{label}"), op, vec![fill]);
        Some(case.oscillators(at).law("unit norm", super::unit_norm_law))
    };
    let mut cases: Vec<Case> = [
        (&[0, 4, 3, 3][..], 1, 2),
        (&[1, 2, 1, 1], 1, 2),
        (&[2, 6, 3, 5], 1, 3),
        (&[3, 4, 7, 9], 1, 4),
        (&[1, 8, 65], 1, 8),
        (&[2, 63, 16], 2, 16),
        (&[1, 64, 5], 2, 5),
        (&[1, 3, 66], 2, 33),
    ]
    .into_iter()
    .filter_map(|(shape, axis, n)| case(shape, axis, n, "", Fill::Uniform))
    .collect();
    let axes = Oscillators { samples: 2, groups: 2, outer: 4, n: 4, inner: 33 };
    let edges = [(" mixed scales", Fill::Mixed(30)), (" along axes", Fill::Axes(axes))];
    cases.extend(edges.into_iter().filter_map(|(label, fill)| case(&[2, 8, 33], 1, 4, label, fill)));
    // Below the clamp the law of unit norms does not hold: the map is x / 1e-12 there.
    for (label, fill) in
        [("zero", Fill::Zero), ("below the clamp", Fill::Between(1e-15, 1e-14)), ("around the clamp", Fill::Mixed(60))]
    {
        let op = SphereNormalize::new(&[1, 4, 65], 1, 4).ok();
        cases.extend(op.map(|op| Case::new(format!("[1, 4, 65] {label}"), op, vec![fill])));
    }
    cases.extend(case(&[1, 2, 3, 4], 2, 3, " ladder", Fill::Uniform).map(Case::ladder));
    cases.extend(case(&[16, 64, 32, 32], 1, 4, "", Fill::Uniform).map(Case::bench));
    cases
}
