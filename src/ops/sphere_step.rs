//! One step of the Kuramoto model on the sphere: `x <- normalize(x + gamma (Omega x + P_x y))`.

use super::layout::oscillators;
use super::spec::{Op, OpSpec, Port};
use crate::cpu::sphere_step::{self as cpu, Mode, Operands};
use crate::cpu::{Oscillators, Real};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor};
#[cfg(feature = "gpu")]
use crate::kernel::DType;
use crate::kernel::Kernel;
use crate::tape::{Tape, Var};

pub use crate::cpu::sphere_step::Rotation;

#[path = "sphere_step_cases.rs"]
mod cases;
#[path = "sphere_step_contracts.rs"]
mod contracts;
#[cfg(feature = "gpu")]
#[path = "sphere_step_device.rs"]
mod device;

pub use contracts::{BACKWARD, BACKWARD_FOUR, BACKWARD_REG, FORWARD, FORWARD_FOUR, FORWARD_REG};
pub use contracts::{BACKWARD_SCALARS, BACKWARD_SCALARS_FOUR, BACKWARD_SCALARS_REG};

/// Options of a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StepOptions {
    /// Components of one oscillator, at least 2; even with frequencies.
    pub n: usize,
    /// The axis of the components: 1 for `[B, C, H, W]`, 2 for `[B, T, C]`.
    pub axis: usize,
    /// The linear part.
    pub rotation: Rotation,
    /// Whether the drive is projected to the tangent space.
    pub projection: bool,
}

impl StepOptions {
    /// A projected step without rotation.
    pub fn new(n: usize, axis: usize) -> StepOptions {
        StepOptions { n, axis, rotation: Rotation::None, projection: true }
    }

    /// The same with another linear part.
    pub fn rotation(self, rotation: Rotation) -> StepOptions {
        StepOptions { rotation, ..self }
    }
}

/// Which kernels run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Variant {
    /// Any number of components.
    Plain,
    /// The oscillator in registers.
    Registers,
    /// Four neighbouring oscillators in registers.
    Four,
}

/// One step with fixed extents and options.
#[derive(Clone, Debug)]
pub struct SphereStep {
    shape: Vec<usize>,
    at: Oscillators,
    mode: Mode,
    /// What cases ask for; else the best of those that fit.
    #[cfg_attr(not(feature = "gpu"), allow(dead_code))]
    variant: Option<Variant>,
}

impl Variant {
    /// Registers hold an oscillator of up to 16 components and fours of up to 8: the constants of the kernels are those
    /// that they are validated for. Components of a four are vec4s if four divides what lies between them. The batch size
    /// plays no part: results must not depend on it.
    fn fits(self, at: &Oscillators) -> bool {
        let held = |kernel: &Kernel| kernel.constants[0].values.contains(&(at.n as u32));
        match self {
            Variant::Plain => true,
            Variant::Registers => held(&FORWARD_REG),
            Variant::Four => held(&FORWARD_FOUR) && at.inner.is_multiple_of(4),
        }
    }
}

impl SphereStep {
    /// A step of a state with extents `shape`.
    ///
    /// # Errors
    /// `Param` if `n < 2` or `n` is odd with frequencies, `Shape` if the channels do not split into oscillators,
    /// `Index`.
    pub fn new(shape: &[usize], options: &StepOptions) -> Result<SphereStep> {
        let at = oscillators("sphere_step", shape, options.axis, options.n)?;
        if options.rotation.has_frequencies() && !options.n.is_multiple_of(2) {
            let wanted = "even with frequencies, which turn pairs of components";
            return Err(Error::argument(ErrorKind::Param, "sphere_step", "n", options.n, wanted));
        }
        let mode = Mode { rotation: options.rotation, projection: options.projection };
        Ok(SphereStep { shape: shape.to_vec(), at, mode, variant: None })
    }

    /// How many frequencies the rotation takes.
    fn frequencies(&self) -> usize {
        match self.mode.rotation {
            Rotation::None | Rotation::Identity => 0,
            Rotation::Global => 1,
            Rotation::PerPair => self.at.groups * self.at.n / 2,
        }
    }

    fn operands<'a, R: Real>(&self, inputs: &[&'a [R]]) -> Operands<'a, R> {
        let frequencies = inputs.get(3).copied().unwrap_or(&[]);
        Operands { x: inputs[0], y: inputs[1], gamma: inputs[2], frequencies }
    }
}

impl Op for SphereStep {
    fn name(&self) -> &'static str {
        "sphere_step"
    }
    fn inputs(&self) -> Vec<Port> {
        let mut ports =
            vec![Port::storage("x", &self.shape), Port::storage("y", &self.shape), Port::f32("gamma", &[1])];
        if self.mode.rotation.has_frequencies() {
            ports.push(Port::f32("frequencies", &[self.frequencies()]));
        }
        ports
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::storage("dst", &self.shape), Port::f32("energy", &[self.at.samples])]
    }
    fn unit_inputs(&self) -> Vec<(usize, Oscillators)> {
        vec![(0, self.at)]
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        let (state, energy) = cpu::forward(&self.operands(inputs), &self.at, self.mode);
        vec![state, energy]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        let bar = cpu::backward(&self.operands(inputs), cotangents[0], cotangents[1], &self.at, self.mode);
        let mut all = vec![bar.x, bar.y, bar.gamma];
        if self.mode.rotation.has_frequencies() {
            all.push(bar.frequencies);
        }
        all
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], dtype: DType) -> Result<Vec<Tensor>> {
        self.forward_device(commands, inputs, dtype)
    }
    #[cfg(feature = "gpu")]
    fn backward(
        &self,
        commands: &mut Commands,
        inputs: &[&Tensor],
        cotangents: &[Option<&Tensor>],
        needs: &[bool],
        dtype: DType,
    ) -> Result<Vec<Option<Tensor>>> {
        let zero;
        let g = match cotangents[0] {
            Some(g) => g,
            None => {
                zero = commands.fill(0.0, &self.shape, dtype)?;
                &zero
            }
        };
        let [x_bar, y_bar] = self.state_bars(commands, inputs, g, cotangents[1], dtype)?;
        let mut all = vec![None; needs.len()];
        if needs[2] || needs.get(3).copied().unwrap_or(false) {
            let (gamma_bar, frequencies_bar) = self.scalars(commands, inputs, g, dtype)?;
            all[2] = Some(gamma_bar);
            if let Some(last) = all.get_mut(3) {
                *last = frequencies_bar;
            }
        }
        all[0] = Some(x_bar);
        all[1] = Some(y_bar);
        Ok(all)
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `normalize(x + gamma (Omega x + P_x y))` and the energy per sample `- sum x . y`, from one pass over the state.
    ///
    /// `x` is a state of unit oscillators, `y` the drive `J x + c` of the same extents, `gamma` `[1]`, `frequencies`
    /// `[1]` or `[C / 2]` as the rotation demands, both f32. Source: AKOrN, equations 2, 4 and 5.
    ///
    /// # Errors
    /// `Param` if `n < 2`, if `n` is odd with frequencies or if frequencies are given without a rotation that takes
    /// them, `Shape`, `DType`; as [`Commands::apply`].
    pub fn sphere_step(
        &mut self,
        x: &Tensor,
        y: &Tensor,
        gamma: &Tensor,
        frequencies: Option<&Tensor>,
        options: &StepOptions,
    ) -> Result<(Tensor, Tensor)> {
        let op = SphereStep::new(x.shape(), options)?;
        demand_frequencies(options.rotation, frequencies.is_some())?;
        let mut inputs = vec![x, y, gamma];
        inputs.extend(frequencies);
        let mut outputs = self.apply(&op, &inputs)?;
        let energy = outputs.remove(1);
        Ok((outputs.remove(0), energy))
    }
}

impl Tape {
    /// As [`Commands::sphere_step`](crate::Commands::sphere_step), differentiable in all operands and from both outputs.
    ///
    /// # Errors
    /// As [`Commands::sphere_step`](crate::Commands::sphere_step).
    pub fn sphere_step(
        &mut self,
        x: Var,
        y: Var,
        gamma: Var,
        frequencies: Option<Var>,
        options: &StepOptions,
    ) -> Result<(Var, Var)> {
        let op = SphereStep::new(&self.spec(x)?.shape, options)?;
        demand_frequencies(options.rotation, frequencies.is_some())?;
        let mut inputs = vec![x, y, gamma];
        inputs.extend(frequencies);
        let outputs = self.apply(op, &inputs)?;
        Ok((outputs[0], outputs[1]))
    }
}

fn demand_frequencies(rotation: Rotation, given: bool) -> Result<()> {
    if rotation.has_frequencies() == given {
        return Ok(());
    }
    let (got, wanted) = if given { ("given", "none") } else { ("missing", "one tensor") };
    let wanted = format!("{wanted} with rotation {rotation:?}");
    Err(Error::argument(ErrorKind::Param, "sphere_step", "frequencies", got, wanted))
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "sphere_step",
    formula: "dst = normalize(x + gamma (Omega x + y - (x . y) x)), energy = - sum x . y",
    differentiable: true,
    kernels: &[
        &FORWARD,
        &FORWARD_REG,
        &FORWARD_FOUR,
        &BACKWARD,
        &BACKWARD_REG,
        &BACKWARD_FOUR,
        &BACKWARD_SCALARS,
        &BACKWARD_SCALARS_REG,
        &BACKWARD_SCALARS_FOUR,
        &super::sum_rows::KERNEL,
    ],
    cases: cases::cases,
};
