//! Phasors of angles, `dst = (cos q theta, sin q theta)`: what order parameters are means of.

use std::f64::consts::PI;

use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::{Real, phasors as cpu};
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
use crate::kernel::{DType, Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Tape, Var};

crate::params! {
    /// Parameters of both kernels.
    struct Params { len: u32, q: f32 }
}

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "phasors",
    source: source!("phasors", "grid", "sincos"),
    params: Params::FIELDS,
    bindings: &[input("theta", Elem::F32, "[len]"), output("dst", Elem::F32, "[len, 2]")],
    constants: &[],
};

/// Backward.
pub static BACKWARD: Kernel = Kernel {
    name: "phasors_bwd",
    source: source!("phasors_bwd", "grid", "sincos"),
    params: Params::FIELDS,
    bindings: &[
        input("theta", Elem::F32, "[len]"),
        input("dst_bar", Elem::F32, "[len, 2]"),
        output("theta_bar", Elem::F32, "[len]"),
    ],
    constants: &[],
};

/// Phasors of angles with fixed extents.
#[derive(Clone, Debug)]
pub struct Phasors {
    theta: Vec<usize>,
    dst: Vec<usize>,
    harmonic: u32,
}

impl Phasors {
    /// Phasors of `harmonic` times the angles of extents `shape`.
    ///
    /// # Errors
    /// `Param` for a harmonic of 0 or above 2^24, `Index` past 32 bits.
    pub fn new(shape: &[usize], harmonic: u32) -> Result<Phasors> {
        super::nodes::harmonic("phasors", harmonic)?;
        let dst = [shape, &[2]].concat();
        super::layout::indexable("phasors", &dst)?;
        Ok(Phasors { theta: shape.to_vec(), dst, harmonic })
    }

    #[cfg(feature = "gpu")]
    fn params(&self, len: usize) -> Params {
        Params { len: len as u32, q: self.harmonic as f32 }
    }
}

impl Op for Phasors {
    fn name(&self) -> &'static str {
        "phasors"
    }
    fn inputs(&self) -> Vec<Port> {
        vec![Port::f32("theta", &self.theta)]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::f32("dst", &self.dst)]
    }
    fn dtype(&self) -> Option<DType> {
        Some(DType::F32)
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(inputs[0], self.harmonic)]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::backward(inputs[0], cotangents[0], self.harmonic)]
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], _: DType) -> Result<Vec<Tensor>> {
        let dst = commands.empty(&self.dst, DType::F32)?;
        let theta = inputs[0];
        let work = Work::invocations(theta.len()).flops(31 * theta.len());
        commands.dispatch(&FORWARD, DType::F32, &[], &self.params(theta.len()), &[read(theta), write(&dst)], work)?;
        Ok(vec![dst])
    }
    #[cfg(feature = "gpu")]
    fn backward(
        &self,
        commands: &mut Commands,
        inputs: &[&Tensor],
        cotangents: &[Option<&Tensor>],
        _: &[bool],
        _: DType,
    ) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = cotangents[0] else { return Ok(vec![None]) };
        let theta_bar = commands.empty(&self.theta, DType::F32)?;
        let work = Work::invocations(theta_bar.len()).flops(35 * theta_bar.len());
        let binds = [read(inputs[0]), read(g), write(&theta_bar)];
        commands.dispatch(&BACKWARD, DType::F32, &[], &self.params(theta_bar.len()), &binds, work)?;
        Ok(vec![Some(theta_bar)])
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `(cos q theta, sin q theta)` of angles `theta` `[..]` in radians for the whole number `harmonic` q: `[.., 2]`,
    /// all f32. For `|q theta|` of at most 10,000 within 3e-7 and a rounding of `q theta`, unlike the language's own
    /// functions.
    ///
    /// # Errors
    /// `Param` for a harmonic of 0 or above 2^24; `DType`, `Index`; as [`Commands::apply`].
    pub fn phasors(&mut self, theta: &Tensor, harmonic: u32) -> Result<Tensor> {
        Ok(self.apply(&Phasors::new(theta.shape(), harmonic)?, &[theta])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::phasors`](crate::Commands::phasors), differentiable.
    ///
    /// # Errors
    /// As [`Commands::phasors`](crate::Commands::phasors).
    pub fn phasors(&mut self, theta: Var, harmonic: u32) -> Result<Var> {
        let op = Phasors::new(&self.spec(theta)?.shape, harmonic)?;
        self.apply_one(op, &[theta])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "phasors",
    formula: "dst = (cos(q theta), sin(q theta))",
    differentiable: true,
    kernels: &[&FORWARD, &BACKWARD],
    cases,
};

/// Every phasor has norm 1: the ratio of the largest deviation to what an error of 3e-7 of both components makes.
fn unit_law(_: &[Vec<f64>], outputs: &[Vec<f64>], _: &Case, _: DType) -> f64 {
    let norms = outputs[0].chunks_exact(2).map(|pair| pair.iter().map(|v| v * v).sum::<f64>().sqrt());
    let ratios = norms.map(|norm| (norm - 1.0).abs() / (2.0 * 3e-7));
    ratios.fold(0.0, |worst, r| if r.is_nan() || r > worst { r } else { worst })
}

fn cases() -> Vec<Case> {
    let case = |shape: &[usize], harmonic: u32, label: &str, fill: Fill| {
        let op = Phasors::new(shape, harmonic).ok()?;
        Some(Case::new(format!("{shape:?} harmonic {harmonic}{label}"), op, vec![fill]).law("unit phasors", unit_law))
    };
    let circle = || Fill::Between(-PI, PI);
    let corners = [0.0, -0.0, 1e-6, 0.25 * PI, -0.25 * PI, 0.5 * PI, -0.5 * PI, 0.75 * PI, PI, -PI, 2.0 * PI];
    let mut cases = Vec::new();
    for (shape, harmonic) in
        [(&[0][..], 1), (&[], 1), (&[1], 2), (&[2, 0], 1), (&[63], 1), (&[64], 3), (&[65], 2), (&[2, 3, 7], 1)]
    {
        cases.extend(case(shape, harmonic, "", circle()));
    }
    cases.extend(case(&[1, 257], 5, "", circle()));
    cases.extend(case(&[2, 130], 1, ", far", Fill::Between(-9000.0, 9000.0)));
    cases.extend(case(&[2, 130], 7, ", turns", Fill::Between(-20.0, 20.0)));
    cases.extend(case(&[200], 2, ", mixed scales", Fill::Mixed(10)));
    cases.extend(case(&[corners.len()], 1, ", corners", Fill::Values(corners.to_vec())));
    cases.extend(case(&[2, 3], 1, " ladder", circle()).map(Case::ladder));
    cases.extend(case(&[2, 3], 3, " ladder", circle()).map(Case::ladder));
    cases.extend(case(&[4, 1 << 18], 1, "", circle()).map(Case::bench));
    cases
}
