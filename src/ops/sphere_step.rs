//! One step of the Kuramoto model on the sphere: `x <- normalize(x + gamma (Omega x + P_x y))`.

use super::layout::oscillators;
use super::spec::{Op, OpSpec, Port};
use crate::cpu::sphere_step::{self as cpu, Mode, Operands};
use crate::cpu::{Oscillators, Real};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::{DType, WORKGROUP};
use crate::tape::{Tape, Var};

pub use crate::cpu::sphere_step::Rotation;

#[path = "sphere_step_cases.rs"]
mod cases;
#[path = "sphere_step_contracts.rs"]
mod contracts;

pub use contracts::{BACKWARD, BACKWARD_REG, BACKWARD_SCALARS, BACKWARD_SCALARS_REG, FORWARD, FORWARD_REG};
#[cfg(feature = "gpu")]
use contracts::{Params, ParamsBwd, ParamsScalars};

/// Oscillators of one tile of the scalars' kernel, as in its shader.
#[cfg(feature = "gpu")]
const TILE: usize = 1024;

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
    Plain,
    Registers,
}

/// One step with fixed extents and options.
#[derive(Clone, Debug)]
pub struct SphereStep {
    shape: Vec<usize>,
    at: Oscillators,
    mode: Mode,
    #[cfg_attr(not(feature = "gpu"), allow(dead_code))]
    variant: Variant,
}

/// Registers hold an oscillator of up to 16 components; the constants of the kernel are those that it is validated
/// for. The batch size plays no part: results must not depend on it.
fn choose(n: usize) -> Variant {
    let fits = FORWARD_REG.constants[0].values.contains(&(n as u32));
    if fits { Variant::Registers } else { Variant::Plain }
}

/// Oscillators of one invocation. The energy's sum costs barriers, which software drivers pay for dearly: 16 oscillators
/// between them make the step of Mesa 22.3.6 and 26.2.6 two to three times as fast as one. A GPU wants more workgroups.
#[cfg(feature = "gpu")]
fn per_lane(is_software: bool) -> usize {
    if is_software { 16 } else { 4 }
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
        Ok(SphereStep { shape: shape.to_vec(), at, mode, variant: choose(options.n) })
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

#[cfg(feature = "gpu")]
impl SphereStep {
    fn rotation_code(&self) -> u32 {
        match self.mode.rotation {
            Rotation::None => 0,
            Rotation::Identity => 1,
            Rotation::Global => 2,
            Rotation::PerPair => 3,
        }
    }

    /// The frequencies, or where there are none a tensor that the kernel binds and does not read.
    fn frequencies_of<'a>(inputs: &[&'a Tensor]) -> &'a Tensor {
        inputs.get(3).copied().unwrap_or(inputs[2])
    }

    /// Cotangents of gamma and of the frequencies.
    fn scalars(
        &self,
        commands: &mut Commands,
        inputs: &[&Tensor],
        dst_bar: &Tensor,
        dtype: DType,
    ) -> Result<(Tensor, Option<Tensor>)> {
        let at = &self.at;
        let pairs = if self.frequencies() > 0 { at.groups * at.n / 2 } else { 0 };
        let per_group = at.count().checked_div(at.groups).unwrap_or(0);
        let (rows, tiles) = (at.groups + pairs, per_group.div_ceil(TILE));
        let partial = commands.empty(&[rows, tiles], DType::F32)?;
        let params = ParamsScalars {
            rows: rows as u32,
            tiles: tiles as u32,
            per_group: per_group as u32,
            groups: at.groups as u32,
            n: at.n as u32,
            inner: at.inner as u32,
            rotation: self.rotation_code(),
            projection: self.mode.projection.into(),
        };
        let [x, y, gamma] = [inputs[0], inputs[1], inputs[2]];
        let w = Self::frequencies_of(inputs);
        let binds = [read(x), read(y), read(gamma), read(w), read(dst_bar), write(&partial)];
        // A lane visits TILE / WG oscillators, and each passes over its components at most ten times.
        let rounds = TILE / WORKGROUP as usize * (10 * at.n + 1) + 8 * (at.n + 1);
        match self.variant {
            Variant::Plain => {
                let work = Work::workgroups(rows * tiles).rounds(rounds).flops(10 * x.len());
                commands.dispatch(&BACKWARD_SCALARS, dtype, &[], &params, &binds, work)?;
            }
            Variant::Registers => {
                let work = Work::workgroups(at.groups * tiles).rounds(rounds).flops(22 * x.len());
                commands.dispatch(&BACKWARD_SCALARS_REG, dtype, &[("N", at.n as u32)], &params, &binds, work)?;
            }
        }
        let sum = super::sum_rows::sum_rows;
        let gamma_bar = sum(commands, &partial, 0, at.groups * tiles, &[1])?;
        let frequencies_bar = match self.mode.rotation {
            Rotation::None | Rotation::Identity => None,
            Rotation::Global => Some(sum(commands, &partial, at.groups * tiles, pairs * tiles, &[1])?),
            Rotation::PerPair => Some(sum(commands, &partial, at.groups * tiles, tiles, &[pairs])?),
        };
        Ok((gamma_bar, frequencies_bar))
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
        let at = &self.at;
        let per = match self.variant {
            Variant::Plain => 1,
            Variant::Registers => per_lane(commands.context().is_software()),
        };
        let tiles = at.per_sample().div_ceil(WORKGROUP as usize * per);
        let params = Params {
            samples: at.samples as u32,
            per_sample: at.per_sample() as u32,
            tiles: tiles as u32,
            groups: at.groups as u32,
            n: at.n as u32,
            inner: at.inner as u32,
            rotation: self.rotation_code(),
            projection: self.mode.projection.into(),
        };
        let (dst, partial) = (commands.empty(&self.shape, dtype)?, commands.empty(&[at.samples, tiles], DType::F32)?);
        let [x, y, gamma] = [inputs[0], inputs[1], inputs[2]];
        let w = Self::frequencies_of(inputs);
        let binds = [read(x), read(y), read(gamma), read(w), write(&dst), write(&partial)];
        let work = Work::workgroups(at.samples * tiles).rounds(per * (4 * at.n + 1) + 8).flops(13 * x.len());
        match self.variant {
            Variant::Plain => commands.dispatch(&FORWARD, dtype, &[], &params, &binds, work)?,
            Variant::Registers => {
                commands.dispatch(
                    &FORWARD_REG,
                    dtype,
                    &[("N", at.n as u32), ("PER", per as u32)],
                    &params,
                    &binds,
                    work,
                )?;
            }
        }
        let energy = super::sum_rows::sum_rows(commands, &partial, 0, tiles, &[at.samples])?;
        Ok(vec![dst, energy])
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
        let at = &self.at;
        let [x, y, gamma] = [inputs[0], inputs[1], inputs[2]];
        let w = Self::frequencies_of(inputs);
        let zero;
        let g = match cotangents[0] {
            Some(g) => g,
            None => {
                zero = commands.fill(0.0, &self.shape, dtype)?;
                &zero
            }
        };
        let energy_bar = cotangents[1].unwrap_or(gamma);
        let (x_bar, y_bar) = (commands.empty(&self.shape, dtype)?, commands.empty(&self.shape, dtype)?);
        let params = ParamsBwd {
            count: at.count() as u32,
            per_sample: at.per_sample() as u32,
            groups: at.groups as u32,
            n: at.n as u32,
            inner: at.inner as u32,
            rotation: self.rotation_code(),
            projection: self.mode.projection.into(),
            energy: cotangents[1].is_some().into(),
        };
        let binds = [read(x), read(y), read(gamma), read(w), read(g), read(energy_bar), write(&x_bar), write(&y_bar)];
        let work = Work::invocations(at.count()).rounds(6 * at.n).flops(34 * x.len());
        match self.variant {
            Variant::Plain => commands.dispatch(&BACKWARD, dtype, &[], &params, &binds, work)?,
            Variant::Registers => {
                let work = work.rounds(10 * at.n);
                commands.dispatch(&BACKWARD_REG, dtype, &[("N", at.n as u32)], &params, &binds, work)?;
            }
        }
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
        &BACKWARD,
        &BACKWARD_REG,
        &BACKWARD_SCALARS,
        &BACKWARD_SCALARS_REG,
        &super::sum_rows::KERNEL,
    ],
    cases: cases::cases,
};
