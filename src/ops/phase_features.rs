//! Angles as points of the circle, `dst = [cos theta, sin theta]` along the channels.

use std::f64::consts::PI;

use super::layout::channels;
use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::{Channels, Real, phase_features as cpu};
use crate::error::Result;
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
    name: "phase_features",
    source: source!("phase_features", "grid", "sincos"),
    params: Params::FIELDS,
    bindings: &[input("theta", Elem::Storage, "[outer, run]"), output("dst", Elem::Storage, "[outer, 2, run]")],
    constants: &[],
};

/// Backward.
pub static BACKWARD: Kernel = Kernel {
    name: "phase_features_bwd",
    source: source!("phase_features_bwd", "grid", "sincos"),
    params: Params::FIELDS,
    bindings: &[
        input("theta", Elem::Storage, "[outer, run]"),
        input("dst_bar", Elem::Storage, "[outer, 2, run]"),
        output("theta_bar", Elem::Storage, "[outer, run]"),
    ],
    constants: &[],
};

/// Features of angles with fixed extents.
#[derive(Clone, Debug)]
pub struct PhaseFeatures {
    theta: Vec<usize>,
    dst: Vec<usize>,
    at: Channels,
}

impl PhaseFeatures {
    /// Features along axis `axis` of angles with extents `shape`.
    ///
    /// # Errors
    /// `Shape` if `axis` is none of `shape` after the first, `Index` past 32 bits.
    pub fn new(shape: &[usize], axis: usize) -> Result<PhaseFeatures> {
        let at = channels("phase_features", shape, axis)?;
        let mut dst = shape.to_vec();
        dst[axis] = dst[axis].saturating_mul(2);
        channels("phase_features", &dst, axis)?;
        Ok(PhaseFeatures { theta: shape.to_vec(), dst, at })
    }

    #[cfg(feature = "gpu")]
    fn params(&self, len: usize) -> Params {
        Params { len: len as u32, run: (self.at.channels * self.at.inner) as u32 }
    }
}

impl Op for PhaseFeatures {
    fn name(&self) -> &'static str {
        "phase_features"
    }
    fn inputs(&self) -> Vec<Port> {
        vec![Port::storage("theta", &self.theta)]
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
        let theta = inputs[0];
        let work = Work::invocations(theta.len()).flops(30 * theta.len());
        commands.dispatch(&FORWARD, dtype, &[], &self.params(theta.len()), &[read(theta), write(&dst)], work)?;
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
        let theta_bar = commands.empty(&self.theta, dtype)?;
        let work = Work::invocations(theta_bar.len()).flops(33 * theta_bar.len());
        let binds = [read(inputs[0]), read(g), write(&theta_bar)];
        commands.dispatch(&BACKWARD, dtype, &[], &self.params(theta_bar.len()), &binds, work)?;
        Ok(vec![Some(theta_bar)])
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `[cos theta, sin theta]` along axis `axis`, twice as many channels; for angles of at most 10,000 within 3e-7, unlike
    /// the language's own functions.
    ///
    /// # Errors
    /// `Shape`, `DType`; as [`Commands::apply`].
    pub fn phase_features(&mut self, theta: &Tensor, axis: usize) -> Result<Tensor> {
        Ok(self.apply(&PhaseFeatures::new(theta.shape(), axis)?, &[theta])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::phase_features`](crate::Commands::phase_features), differentiable.
    ///
    /// # Errors
    /// As [`Commands::phase_features`](crate::Commands::phase_features).
    pub fn phase_features(&mut self, theta: Var, axis: usize) -> Result<Var> {
        let op = PhaseFeatures::new(&self.spec(theta)?.shape, axis)?;
        self.apply_one(op, &[theta])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "phase_features",
    formula: "dst = [cos theta, sin theta] along the channels",
    differentiable: true,
    kernels: &[&FORWARD, &BACKWARD],
    cases,
};

/// Every point has norm 1: the ratio of the largest deviation to what the features' error of 3e-7 makes, or a rounding to
/// f16 of each.
fn circle_law(_: &[Vec<f64>], outputs: &[Vec<f64>], case: &Case, dtype: crate::kernel::DType) -> f64 {
    let allowed = if dtype == crate::kernel::DType::F16 { f64::powi(2.0, -10) } else { 2.0 * 3e-7 };
    let shape = &case.op.outputs()[0].shape;
    let run: usize = shape[1..].iter().product::<usize>() / 2;
    let norms = outputs[0].chunks_exact(2 * run.max(1)).flat_map(|row| {
        let (cos, sin) = row.split_at(run);
        cos.iter().zip(sin).map(|(cos, sin)| cos.hypot(*sin))
    });
    norms.map(|norm| (norm - 1.0).abs() / allowed).fold(0.0, |worst, r| if r.is_nan() || r > worst { r } else { worst })
}

fn cases() -> Vec<Case> {
    let case = |shape: &[usize], axis: usize, label: &str, fill: Fill| {
        let op = PhaseFeatures::new(shape, axis).ok()?;
        Some(Case::new(format!("{shape:?} axis {axis}{label}"), op, vec![fill]))
    };
    let circle = || Fill::Between(-PI, PI);
    let corners = [0.0, -0.0, 1e-6, 0.25 * PI, -0.25 * PI, 0.5 * PI, -0.5 * PI, 0.75 * PI, PI, -PI, 2.0 * PI];
    let law = |case: Option<Case>| case.map(|case| case.law("points of the circle", circle_law));
    [
        case(&[0, 2, 3], 1, "", circle()),
        case(&[3, 0, 2], 1, "", circle()),
        case(&[1, 1], 1, "", circle()),
        case(&[2, 3, 3, 3], 1, "", circle()),
        case(&[3, 4, 3, 5], 2, "", circle()),
        law(case(&[1, 65], 1, "", circle())),
        law(case(&[2, 130], 1, ", far", Fill::Between(-9000.0, 9000.0))),
        law(case(&[1, 129], 1, ", turns", Fill::Between(-20.0, 20.0))),
        case(&[2, 20, 5], 2, ", mixed scales", Fill::Mixed(10)),
        case(&[1, corners.len()], 1, ", corners", Fill::Values(corners.to_vec())),
        case(&[2, 2, 3], 1, " ladder", circle()).map(Case::ladder),
        case(&[4, 256, 256], 2, "", circle()).map(Case::bench),
    ]
    .into_iter()
    .flatten()
    .collect()
}
