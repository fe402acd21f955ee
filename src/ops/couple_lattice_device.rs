//! Dispatches of the backward pass of [`super::CoupleLattice`].

use super::contracts::{ParamsSamples, ParamsTheta, ParamsWeights};
use super::{BACKWARD, BACKWARD_SAMPLES, BACKWARD_W, CoupleLattice};
use crate::error::Result;
use crate::gpu::{Commands, Tensor, Work, read, write};
use crate::kernel::{DType, WORKGROUP};
use crate::ops::sum_rows::sum_rows;

/// Places of one tile of the sums for the stencil, as in their shader.
const TILE_WEIGHTS: usize = 4096;

/// Places of one tile of the sums for strengths and lags, as in their shader.
const TILE_SAMPLES: usize = 1024;

impl CoupleLattice {
    /// Rows and columns of the lattice and of the stencil.
    pub(super) fn extents(&self) -> [u32; 4] {
        [self.at.height, self.at.width, self.at.kh, self.at.kw].map(|v| v as u32)
    }

    /// Taps of the stencil.
    pub(super) fn taps(&self) -> usize {
        self.at.kh * self.at.kw
    }

    /// Loop rounds of one place over the stencil.
    pub(super) fn rounds(&self) -> usize {
        self.at.kh * (1 + self.at.kw)
    }

    fn places(&self) -> usize {
        self.at.batch * self.at.plane()
    }

    pub(super) fn theta_bar(&self, commands: &mut Commands, inputs: [&Tensor; 4], g: &Tensor) -> Result<Tensor> {
        let [theta, weights, strength, lag] = inputs;
        let theta_bar = commands.empty(&self.theta_shape(), DType::F32)?;
        let [height, width, kh, kw] = self.extents();
        let params =
            ParamsTheta { len: self.places() as u32, height, width, kh, kw, periodic: self.at.periodic.into() };
        let binds = [read(theta), read(weights), read(strength), read(lag), read(g), write(&theta_bar)];
        let flops = 64 * self.taps() * self.places();
        let work = Work::invocations(self.places()).rounds(self.rounds()).flops(flops);
        commands.dispatch(&BACKWARD, DType::F32, &[], &params, &binds, work)?;
        Ok(theta_bar)
    }

    pub(super) fn weights_bar(&self, commands: &mut Commands, inputs: [&Tensor; 3], g: &Tensor) -> Result<Tensor> {
        let [theta, strength, lag] = inputs;
        let tiles = self.places().div_ceil(TILE_WEIGHTS).max(1);
        let partial = commands.empty(&[self.at.kh, self.at.kw, tiles], DType::F32)?;
        let [height, width, kh, kw] = self.extents();
        let params = ParamsWeights {
            rows: partial.len() as u32,
            tiles: tiles as u32,
            len: self.places() as u32,
            height,
            width,
            kh,
            kw,
            periodic: self.at.periodic.into(),
        };
        let binds = [read(theta), read(strength), read(lag), read(g), write(&partial)];
        let rounds = TILE_WEIGHTS / WORKGROUP as usize + 8;
        let flops = 33 * self.taps() * self.places();
        let work = Work::workgroups(partial.len()).rounds(rounds).flops(flops);
        commands.dispatch(&BACKWARD_W, DType::F32, &[], &params, &binds, work)?;
        let shape = [self.at.kh, self.at.kw];
        if tiles == 1 { partial.reshape(&shape) } else { sum_rows(commands, &partial, 0, tiles, &shape) }
    }

    /// The cotangents of strengths and lags, `[batch]` each.
    pub(super) fn sample_bars(&self, commands: &mut Commands, inputs: [&Tensor; 4], g: &Tensor) -> Result<[Tensor; 2]> {
        let [theta, weights, strength, lag] = inputs;
        let batch = self.at.batch;
        let tiles = self.at.plane().div_ceil(TILE_SAMPLES).max(1);
        let [of_strength, of_lag] =
            [commands.empty(&[batch, tiles], DType::F32)?, commands.empty(&[batch, tiles], DType::F32)?];
        let [height, width, kh, kw] = self.extents();
        let params = ParamsSamples {
            rows: (batch * tiles) as u32,
            tiles: tiles as u32,
            height,
            width,
            kh,
            kw,
            periodic: self.at.periodic.into(),
        };
        let inputs = [read(theta), read(weights), read(strength), read(lag), read(g)];
        let binds = [inputs.as_slice(), &[write(&of_strength), write(&of_lag)]].concat();
        let rounds = TILE_SAMPLES / WORKGROUP as usize * (1 + self.rounds()) + 16;
        let flops = 34 * self.taps() * self.places();
        let work = Work::workgroups(batch * tiles).rounds(rounds).flops(flops);
        commands.dispatch(&BACKWARD_SAMPLES, DType::F32, &[], &params, &binds, work)?;
        if tiles == 1 {
            return Ok([of_strength.reshape(&[batch])?, of_lag.reshape(&[batch])?]);
        }
        Ok([sum_rows(commands, &of_strength, 0, tiles, &[batch])?, sum_rows(commands, &of_lag, 0, tiles, &[batch])?])
    }
}
