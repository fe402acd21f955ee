//! The controller of an adaptive integration.

use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::Real;
use crate::cpu::step_control::{self as cpu, CLOCK};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
use crate::kernel::{DType, Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Tape, Var};

crate::params! {
    /// Parameters of the kernel.
    struct Params { samples: u32, scale: f32 }
}

/// Forward.
pub static KERNEL: Kernel = Kernel {
    name: "step_control",
    source: source!("step_control", "grid"),
    params: Params::FIELDS,
    bindings: &[
        input("square", Elem::F32, "[samples]"),
        input("clock", Elem::F32, "[samples, 3]"),
        output("dst", Elem::F32, "[samples, 3]"),
        output("taken", Elem::F32, "[samples]"),
    ],
    constants: &[],
};

/// The controller for a number of samples.
#[derive(Clone, Debug)]
pub struct StepControl {
    samples: usize,
    /// `1 / (nodes tolerance^2)`, as the kernel has it.
    scale: f32,
}

impl StepControl {
    fn new(samples: usize, nodes: usize, tolerance: f32) -> Result<StepControl> {
        let scale = 1.0 / (nodes.max(1) as f64 * f64::from(tolerance).powi(2));
        if !(tolerance > 0.0 && (scale as f32).is_normal()) {
            let wanted = "a positive number whose square is one in f32";
            return Err(Error::argument(ErrorKind::Param, "step_control", "tolerance", tolerance, wanted));
        }
        Ok(StepControl { samples, scale: scale as f32 })
    }
}

impl Op for StepControl {
    fn name(&self) -> &'static str {
        "step_control"
    }
    fn inputs(&self) -> Vec<Port> {
        vec![Port::f32("square", &[self.samples]), Port::f32("clock", &[self.samples, CLOCK])]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::f32("clock", &[self.samples, CLOCK]), Port::f32("taken", &[self.samples])]
    }
    fn dtype(&self) -> Option<DType> {
        Some(DType::F32)
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        cpu::forward(inputs[0], inputs[1], self.scale.into()).into()
    }
    fn reference_vjp<R: Real>(&self, _: &[&[R]], _: &[&[R]]) -> Vec<Vec<R>> {
        vec![]
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], _: DType) -> Result<Vec<Tensor>> {
        let dst = commands.empty(&[self.samples, CLOCK], DType::F32)?;
        let taken = commands.empty(&[self.samples], DType::F32)?;
        let params = Params { samples: self.samples as u32, scale: self.scale };
        let binds = [read(inputs[0]), read(inputs[1]), write(&dst), write(&taken)];
        commands.dispatch(&KERNEL, DType::F32, &[], &params, &binds, Work::invocations(self.samples))?;
        Ok(vec![dst, taken])
    }
    #[cfg(feature = "gpu")]
    fn backward(
        &self,
        _: &mut Commands,
        _: &[&Tensor],
        _: &[Option<&Tensor>],
        needs: &[bool],
        _: DType,
    ) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![None; needs.len()])
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// Judges attempted steps of an embedded pair of orders 5 and 4, per sample. `square` `[B]` is minus the sum over `nodes`
    /// of the squared error estimate (what [`Commands::energy`] makes of the estimate twice), `clock` `[B, 3]` the time left,
    /// the step that was tried and the step that the controller would like. Returns the next clock and `[B]` the time that
    /// was accepted, 0 for a rejected step.
    ///
    /// # Errors
    /// `Param` for a tolerance that is not positive or too small for f32, `Shape`, `DType`; as [`Commands::apply`].
    pub fn step_control(
        &mut self,
        square: &Tensor,
        clock: &Tensor,
        nodes: usize,
        tolerance: f32,
    ) -> Result<[Tensor; 2]> {
        let op = StepControl::new(square.len(), nodes, tolerance)?;
        // What is not finite is a reason to reject.
        let dtype = self.admit_shapes(&op, &[square, clock])?;
        let mut outputs = op.forward(self, &[square, clock], dtype)?;
        let taken = outputs.remove(1);
        Ok([outputs.remove(0), taken])
    }
}

impl Tape {
    /// As [`Commands::step_control`](crate::Commands::step_control); no gradient passes through it.
    ///
    /// # Errors
    /// As [`Commands::step_control`](crate::Commands::step_control).
    pub fn step_control(&mut self, square: Var, clock: Var, nodes: usize, tolerance: f32) -> Result<[Var; 2]> {
        let op = StepControl::new(self.spec(square)?.len(), nodes, tolerance)?;
        let outputs = self.apply(op, &[square, clock])?;
        Ok([outputs[0], outputs[1]])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "step_control",
    formula: "q = mean square error / tolerance^2; accepted if q <= 1; next = tried clamp(0.9 q^(-1/10), 1/5, 5)",
    differentiable: false,
    kernels: &[&KERNEL],
    cases,
};

fn cases() -> Vec<Case> {
    // Nodes and tolerance for which the scale is 1. Perfect, good, just accepted, just rejected, bad and hopeless attempts.
    let squares = vec![-0.0, -1e-12, -0.3, -0.9, -1.2, -40.0, -1e9];
    // Whole, cut short of what would be liked, the last one, and nothing left.
    let clocks = vec![1.0, 0.125, 0.125, 0.75, 0.5, 0.625, 0.25, 0.25, 0.25, 0.0, 0.0, 0.0625];
    let mut cases = Vec::new();
    for samples in [0, 1, 2, 28, 64, 129] {
        let Ok(op) = StepControl::new(samples, 4, 0.5) else { continue };
        let fills = vec![Fill::Values(squares.clone()), Fill::Values(clocks.clone())];
        cases.push(Case::new(format!("[{samples}]"), op, fills));
    }
    if let Ok(op) = StepControl::new(1 << 16, 100, 1e-3) {
        let fills = vec![Fill::Between(-4e-4, 0.0), Fill::Values(vec![1.0, 0.125, 0.125])];
        cases.push(Case::new("[65536]", op, fills).bench());
    }
    cases
}
