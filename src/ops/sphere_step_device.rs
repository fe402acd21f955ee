//! Dispatches of [`super::SphereStep`].

use super::contracts::{Params, ParamsBwd, ParamsScalars};
use super::{BACKWARD, BACKWARD_FOUR, BACKWARD_REG, BACKWARD_SCALARS, BACKWARD_SCALARS_FOUR, BACKWARD_SCALARS_REG};
use super::{FORWARD, FORWARD_FOUR, FORWARD_REG, Rotation, SphereStep, Variant};
use crate::error::Result;
use crate::gpu::{Commands, Tensor, Work, read, write};
use crate::kernel::{DType, Kernel, WORKGROUP};
use crate::ops::sum_rows::sum_rows;

/// Oscillators of one tile of the scalars' kernels, as in their shaders.
const TILE: usize = 1024;

/// Oscillators of one invocation of the forward kernels. The energy's sum costs barriers, which software drivers pay for
/// dearly: 16 oscillators between them make the step of Mesa 22.3.6 and 26.2.6 two to three times as fast as one. A GPU
/// wants more workgroups.
fn per_lane(variant: Variant, is_software: bool) -> usize {
    match variant {
        Variant::Plain => 1,
        Variant::Registers if is_software => 16,
        Variant::Registers | Variant::Four => 4,
    }
}

/// How many oscillators a kernel counts as one.
fn lanes(variant: Variant) -> usize {
    if variant == Variant::Four { 4 } else { 1 }
}

impl SphereStep {
    /// The kernels for these tensors of the state's extents. Only a part of a tensor can begin amid a vec4. Fours are for
    /// GPUs: those of 4 components took Mesa 26.2.6 twice the time.
    fn choose(&self, commands: &Commands, states: &[&Tensor]) -> Variant {
        let whole = states.iter().all(|t| t.offset().is_multiple_of(4 * t.dtype().size()));
        let is_software = commands.context().is_software();
        let may = |variant: &Variant| match variant {
            Variant::Four => whole && !is_software,
            Variant::Registers | Variant::Plain => true,
        };
        let best = [Variant::Four, Variant::Registers].into_iter();
        let mut best = best.filter(|variant| may(variant) && variant.fits(&self.at));
        self.variant.or_else(|| best.next()).unwrap_or(Variant::Plain)
    }

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

    /// The next state and the energies.
    pub(super) fn forward_device(
        &self,
        commands: &mut Commands,
        inputs: &[&Tensor],
        dtype: DType,
    ) -> Result<Vec<Tensor>> {
        let at = &self.at;
        let [x, y, gamma] = [inputs[0], inputs[1], inputs[2]];
        let variant = self.choose(commands, &[x, y]);
        let (lanes, per) = (lanes(variant), per_lane(variant, commands.context().is_software()));
        let tiles = at.per_sample().div_ceil(WORKGROUP as usize * per);
        let params = Params {
            samples: at.samples as u32,
            per_sample: (at.per_sample() / lanes) as u32,
            tiles: tiles as u32,
            groups: at.groups as u32,
            n: at.n as u32,
            inner: (at.inner / lanes) as u32,
            rotation: self.rotation_code(),
            projection: self.mode.projection.into(),
        };
        let (dst, partial) = (commands.empty(&self.shape, dtype)?, commands.empty(&[at.samples, tiles], DType::F32)?);
        let w = Self::frequencies_of(inputs);
        let binds = [read(x), read(y), read(gamma), read(w), write(&dst), write(&partial)];
        let n = ("N", at.n as u32);
        let (kernel, constants): (&'static Kernel, &[_]) = match variant {
            Variant::Plain => (&FORWARD, &[]),
            Variant::Registers => (&FORWARD_REG, &[n, ("PER", per as u32)]),
            Variant::Four => (&FORWARD_FOUR, &[n]),
        };
        let rounds = per * (6 * at.n + 3) + 8;
        let work = Work::workgroups(at.samples * tiles).rounds(rounds).flops(13 * x.len());
        commands.dispatch(kernel, dtype, constants, &params, &binds, work)?;
        let energy = sum_rows(commands, &partial, 0, tiles, &[at.samples])?;
        Ok(vec![dst, energy])
    }

    /// Cotangents of the state and the drive.
    pub(super) fn state_bars(
        &self,
        commands: &mut Commands,
        inputs: &[&Tensor],
        dst_bar: &Tensor,
        energy_bar: Option<&Tensor>,
        dtype: DType,
    ) -> Result<[Tensor; 2]> {
        let at = &self.at;
        let [x, y, gamma] = [inputs[0], inputs[1], inputs[2]];
        let variant = self.choose(commands, &[x, y, dst_bar]);
        let lanes = lanes(variant);
        let params = ParamsBwd {
            count: (at.count() / lanes) as u32,
            per_sample: (at.per_sample() / lanes) as u32,
            groups: at.groups as u32,
            n: at.n as u32,
            inner: (at.inner / lanes) as u32,
            rotation: self.rotation_code(),
            projection: self.mode.projection.into(),
            energy: energy_bar.is_some().into(),
        };
        let [x_bar, y_bar] = [commands.empty(&self.shape, dtype)?, commands.empty(&self.shape, dtype)?];
        let (w, e) = (Self::frequencies_of(inputs), energy_bar.unwrap_or(gamma));
        let binds = [read(x), read(y), read(gamma), read(w), read(dst_bar), read(e), write(&x_bar), write(&y_bar)];
        let n = ("N", at.n as u32);
        let (kernel, constants, per): (&'static Kernel, &[_], _) = match variant {
            Variant::Plain => (&BACKWARD, &[], 1),
            Variant::Registers => (&BACKWARD_REG, &[n], 1),
            Variant::Four => (&BACKWARD_FOUR, &[n], lanes),
        };
        let work = Work::invocations(at.count().div_ceil(per)).rounds(per * (12 * at.n + 2)).flops(34 * x.len());
        commands.dispatch(kernel, dtype, constants, &params, &binds, work)?;
        Ok([x_bar, y_bar])
    }

    /// Cotangents of gamma and of the frequencies.
    pub(super) fn scalars(
        &self,
        commands: &mut Commands,
        inputs: &[&Tensor],
        dst_bar: &Tensor,
        dtype: DType,
    ) -> Result<(Tensor, Option<Tensor>)> {
        let at = &self.at;
        let [x, y, gamma] = [inputs[0], inputs[1], inputs[2]];
        let variant = self.choose(commands, &[x, y, dst_bar]);
        let lanes = lanes(variant);
        let pairs = if self.frequencies() > 0 { at.groups * at.n / 2 } else { 0 };
        let per_group = at.count().checked_div(at.groups).unwrap_or(0);
        let (rows, tiles) = (at.groups + pairs, per_group.div_ceil(TILE));
        let partial = commands.empty(&[rows, tiles], DType::F32)?;
        let params = ParamsScalars {
            rows: rows as u32,
            tiles: tiles as u32,
            per_group: (per_group / lanes) as u32,
            groups: at.groups as u32,
            n: at.n as u32,
            inner: (at.inner / lanes) as u32,
            rotation: self.rotation_code(),
            projection: self.mode.projection.into(),
        };
        let w = Self::frequencies_of(inputs);
        let binds = [read(x), read(y), read(gamma), read(w), read(dst_bar), write(&partial)];
        let n = ("N", at.n as u32);
        let (kernel, constants, groups, flops): (&'static Kernel, &[_], _, _) = match variant {
            Variant::Plain => (&BACKWARD_SCALARS, &[], rows, 10),
            Variant::Registers => (&BACKWARD_SCALARS_REG, &[n], at.groups, 22),
            Variant::Four => (&BACKWARD_SCALARS_FOUR, &[n], at.groups, 22),
        };
        // A lane visits TILE / WG oscillators, and each passes over its components at most a dozen times.
        let rounds = TILE / WORKGROUP as usize * (12 * at.n + 3) + 8 * (at.n + 1);
        let work = Work::workgroups(groups * tiles).rounds(rounds).flops(flops * x.len());
        commands.dispatch(kernel, dtype, constants, &params, &binds, work)?;
        let gamma_bar = sum_rows(commands, &partial, 0, at.groups * tiles, &[1])?;
        let frequencies_bar = match self.mode.rotation {
            Rotation::None | Rotation::Identity => None,
            Rotation::Global => Some(sum_rows(commands, &partial, at.groups * tiles, pairs * tiles, &[1])?),
            Rotation::PerPair => Some(sum_rows(commands, &partial, at.groups * tiles, tiles, &[pairs])?),
        };
        Ok((gamma_bar, frequencies_bar))
    }
}
