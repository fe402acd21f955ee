//! Angles wrapped to one turn, `dst = x - 2 pi round(x / (2 pi))`.

use std::f64::consts::PI;

use super::spec::{Case, Fill, Op, OpSpec, Port};
use super::unary;
use crate::cpu::{Real, phase_wrap as cpu};
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::DType;
use crate::kernel::{Kernel, source};
use crate::tape::{Tape, Var};

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "phase_wrap",
    source: source!("phase_wrap", "grid", "sincos"),
    params: unary::FIELDS,
    bindings: unary::FORWARD,
    constants: &[],
};

/// Wraps angles of fixed extents.
#[derive(Clone, Debug)]
pub struct PhaseWrap {
    shape: Vec<usize>,
}

impl Op for PhaseWrap {
    fn name(&self) -> &'static str {
        "phase_wrap"
    }
    fn inputs(&self) -> Vec<Port> {
        vec![Port::storage("x", &self.shape)]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::storage("dst", &self.shape)]
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(inputs[0])]
    }
    fn reference_vjp<R: Real>(&self, _: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::backward(cotangents[0])]
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], dtype: DType) -> Result<Vec<Tensor>> {
        let x = inputs[0];
        let dst = commands.empty(&self.shape, dtype)?;
        let work = Work::invocations(x.len()).flops(8 * x.len());
        commands.dispatch(
            &FORWARD,
            dtype,
            &[],
            &unary::Params { len: x.len() as u32 },
            &[read(x), write(&dst)],
            work,
        )?;
        Ok(vec![dst])
    }
    #[cfg(feature = "gpu")]
    fn backward(
        &self,
        _: &mut Commands,
        _: &[&Tensor],
        cotangents: &[Option<&Tensor>],
        _: &[bool],
        _: DType,
    ) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![cotangents[0].cloned()])
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// The angles of `x`, in radians and at most 10,000, less the nearest multiple of `2 pi`: in `[-pi, pi]` to rounding.
    ///
    /// # Errors
    /// `DType`; as [`Commands::apply`].
    pub fn phase_wrap(&mut self, x: &Tensor) -> Result<Tensor> {
        Ok(self.apply(&PhaseWrap { shape: x.shape().to_vec() }, &[x])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::phase_wrap`](crate::Commands::phase_wrap), differentiable: the cotangent passes unchanged.
    ///
    /// # Errors
    /// `DType`; as [`Tape::apply`].
    pub fn phase_wrap(&mut self, x: Var) -> Result<Var> {
        let shape = self.spec(x)?.shape;
        self.apply_one(PhaseWrap { shape }, &[x])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "phase_wrap",
    formula: "dst = x - 2 pi round(x / (2 pi))",
    differentiable: true,
    kernels: &[&FORWARD],
    cases,
};

/// No result is beyond pi by more than the rounding of three differences, or that of a number in f16.
fn one_turn_law(_: &[Vec<f64>], outputs: &[Vec<f64>], _: &Case, dtype: crate::kernel::DType) -> f64 {
    let allowed = if dtype == crate::kernel::DType::F16 { f64::powi(2.0, -9) } else { f64::powi(2.0, -20) };
    let beyond = outputs[0].iter().map(|v| (v.abs() - PI) / allowed);
    beyond.fold(0.0, |worst, r| if r.is_nan() || r > worst { r } else { worst })
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (shape, edge) in super::elementwise_sizes() {
        let op = PhaseWrap { shape: shape.clone() };
        let case = Case::new(format!("{shape:?}"), op, vec![Fill::Between(-9.0, 9.0)]).law("one turn", one_turn_law);
        cases.push(match edge {
            true if case.op.outputs()[0].len() <= 3 => case.ladder(),
            true => case,
            false => case.bench(),
        });
    }
    // The f32 on both sides of pi, and a few turns.
    let below = f64::from(std::f32::consts::PI.next_down());
    let above = f64::from(std::f32::consts::PI);
    let corners = vec![0.0, -0.0, below, -below, above, -above, 2.0 * PI, 3.0 * PI, 1e-6, 9999.5];
    for (label, fill) in
        [("far", Fill::Between(-9900.0, 9900.0)), ("mixed scales", Fill::Mixed(12)), ("corners", Fill::Values(corners))]
    {
        let op = PhaseWrap { shape: vec![210] };
        cases.push(Case::new(format!("[210] {label}"), op, vec![fill]).law("one turn", one_turn_law));
    }
    cases
}
