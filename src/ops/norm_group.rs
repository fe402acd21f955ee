//! Group normalisation: statistics over the channels of a group and all positions of one sample.

use super::rows::{Affine, positive, rows};
use super::spec::{Op, OpSpec, Port};
#[cfg(feature = "gpu")]
use super::{
    channel_sums::{Factor, Sums, channel_sums},
    row_moment::row_moments,
};
use crate::cpu::{Over, Real, Rows, norm_group as cpu};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Context, Tensor, Work, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::DType;
use crate::kernel::WORKGROUP;
use crate::tape::{Tape, Var};

#[path = "norm_group_cases.rs"]
mod cases;
#[path = "norm_group_contracts.rs"]
mod contracts;

use contracts::ROUNDS;
pub use contracts::{BACKWARD, BACKWARD_ROW, BACKWARD_ROWS, FORWARD, FORWARD_ROW, FORWARD_ROW_REG};
#[cfg(feature = "gpu")]
use contracts::{Params, ParamsBwd, ParamsBwdRow, ParamsRow, ParamsRows};

/// Which kernels run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Variant {
    /// Statistics first, then an invocation per element.
    Plain,
    /// A workgroup per group of a sample does all.
    Row,
    /// The same, whose forward pass keeps the group in registers.
    Registers,
}

/// Elements of the longest group that one workgroup takes: longer ones are worth several.
const LONGEST: usize = 1 << 14;

/// Elements that a workgroup takes in one round, by fours.
const ROUND: usize = 4 * WORKGROUP as usize;

/// The least number of rounds in registers that take a group, if there is one.
fn rounds(at: &Rows) -> Option<u32> {
    ROUNDS.iter().copied().find(|rounds| *rounds as usize * ROUND >= at.len())
}

/// A workgroup reads its group again from a near cache, and divides no integers for each element; on a GPU registers are
/// nearer, and loads by fours at once are what keeps it busy. The batch plays no part.
fn choose(at: &Rows, is_software: bool) -> Variant {
    if at.is_empty() || !at.inner.is_multiple_of(4) || at.len() > LONGEST {
        Variant::Plain
    } else if is_software || rounds(at).is_none() {
        Variant::Row
    } else {
        Variant::Registers
    }
}

/// A group normalisation with fixed extents.
#[derive(Clone, Debug)]
pub struct NormGroup {
    shape: Vec<usize>,
    at: Rows,
    #[cfg(feature = "gpu")]
    groups: usize,
    eps: f32,
    affine: Affine,
    #[cfg_attr(not(feature = "gpu"), allow(dead_code))]
    variant: Option<Variant>,
}

impl NormGroup {
    fn new(shape: &[usize], groups: usize, eps: f32, affine: Affine) -> Result<NormGroup> {
        let at = rows("norm_group", "x", shape, 1, Over::Group(groups))?;
        if groups == 0 || at.channels % groups != 0 {
            let wanted = format!("a divisor of the {} channels", at.channels);
            return Err(Error::argument(ErrorKind::Param, "norm_group", "groups", groups, wanted));
        }
        positive("norm_group", eps)?;
        Ok(NormGroup {
            shape: shape.to_vec(),
            at,
            variant: None,
            #[cfg(feature = "gpu")]
            groups,
            eps,
            affine,
        })
    }
}

#[cfg(feature = "gpu")]
impl NormGroup {
    /// The kernels: a case's, or those for the device.
    fn variant_on(&self, context: &Context) -> Variant {
        self.variant.unwrap_or_else(|| choose(&self.at, context.is_software()))
    }

    /// Work of a workgroup per group: rounds of loops over the group, and sums.
    fn row_work(&self, loops: usize, sums: usize) -> Work {
        // A group in registers takes a power of two of rounds: up to twice as many.
        let rounds = loops * 2 * self.at.len().div_ceil(ROUND);
        Work::workgroups(self.at.count()).rounds(rounds + 8 * sums)
    }

    fn forward_row(&self, commands: &mut Commands, inputs: &[&Tensor], dtype: DType) -> Result<Tensor> {
        let (x, at) = (inputs[0], &self.at);
        let (weight, bias) = self.affine.split(inputs);
        let dst = commands.empty(&self.shape, dtype)?;
        let params = ParamsRow {
            rows: at.count() as u32,
            len: at.len() as u32,
            channels: (at.channels / self.groups) as u32,
            inner: at.inner as u32,
            groups: self.groups as u32,
            has_weight: self.affine.weight.into(),
            has_bias: self.affine.bias.into(),
            eps: self.eps,
            share: (1.0 / at.len() as f64) as f32,
        };
        let binds = [read(x), read(weight.unwrap_or(x)), read(bias.unwrap_or(x)), write(&dst)];
        let work = self.row_work(4, 2).flops(10 * x.len());
        match rounds(at).filter(|_| self.variant_on(commands.context()) == Variant::Registers) {
            Some(rounds) => {
                commands.dispatch(&FORWARD_ROW_REG, dtype, &[("ROUNDS", rounds)], &params, &binds, work)?;
            }
            None => commands.dispatch(&FORWARD_ROW, dtype, &[], &params, &binds, work)?,
        }
        Ok(dst)
    }

    fn parameter_bars(&self, commands: &mut Commands, sums: &Sums) -> Result<Vec<Option<Tensor>>> {
        let weight_bar = if self.affine.weight { Some(sums.along(commands)?) } else { None };
        let bias_bar = if self.affine.bias { Some(sums.plain(commands)?) } else { None };
        Ok(self.affine.keep(weight_bar, bias_bar).collect())
    }

    /// The cotangent of `x`, and the sums for those of weight and bias.
    fn backward_row(
        &self,
        commands: &mut Commands,
        inputs: &[&Tensor],
        g: &Tensor,
        dtype: DType,
    ) -> Result<(Tensor, Sums)> {
        let (x, at) = (inputs[0], &self.at);
        let x_bar = commands.empty(&self.shape, dtype)?;
        let sums = commands.empty(&[2, at.channels, at.outer], DType::F32)?;
        let channels = at.channels / self.groups;
        let params = ParamsBwdRow {
            rows: at.count() as u32,
            len: at.len() as u32,
            channels: channels as u32,
            inner: at.inner as u32,
            groups: self.groups as u32,
            has_weight: self.affine.weight.into(),
            eps: self.eps,
            share: (1.0 / at.len() as f64) as f32,
        };
        let weight = self.affine.split(inputs).0.unwrap_or(x);
        let binds = [read(x), read(weight), read(g), write(&x_bar), write(&sums)];
        // The loop over the channels rounds up in each.
        let work = self.row_work(5, 2 + channels).flops(20 * x.len());
        commands.dispatch(&BACKWARD_ROW, dtype, &[], &params, &binds, work)?;
        Ok((x_bar, Sums::new(sums, at.channels, at.outer)))
    }
}

impl Op for NormGroup {
    fn name(&self) -> &'static str {
        "norm_group"
    }
    fn inputs(&self) -> Vec<Port> {
        let mut ports = vec![Port::storage("x", &self.shape)];
        ports.extend(self.affine.ports(self.at.channels));
        ports
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::storage("dst", &self.shape)]
    }
    fn parameters(&self) -> &'static [&'static str] {
        &["weight", "bias"]
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        let (weight, bias) = self.affine.split(inputs);
        vec![cpu::forward(inputs[0], weight, bias, &self.at, self.eps.into())]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        let (weight, _) = self.affine.split(inputs);
        cpu::backward(inputs[0], weight, self.affine.bias, cotangents[0], &self.at, self.eps.into())
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], dtype: DType) -> Result<Vec<Tensor>> {
        if self.variant_on(commands.context()) != Variant::Plain {
            return Ok(vec![self.forward_row(commands, inputs, dtype)?]);
        }
        let (x, at) = (inputs[0], &self.at);
        let (weight, bias) = self.affine.split(inputs);
        let dst = commands.empty(&self.shape, dtype)?;
        let (mean, variance) = row_moments(commands, x, at, dtype)?;
        let params = Params {
            len: x.len() as u32,
            row: at.len() as u32,
            channels: at.channels as u32,
            inner: at.inner as u32,
            has_weight: self.affine.weight.into(),
            has_bias: self.affine.bias.into(),
            eps: self.eps,
        };
        let (weight, bias) = (weight.unwrap_or(x), bias.unwrap_or(x));
        let binds = [read(x), read(weight), read(bias), read(&mean), read(&variance), write(&dst)];
        let work = Work::invocations(x.len()).flops(5 * x.len());
        commands.dispatch(&FORWARD, dtype, &[], &params, &binds, work)?;
        Ok(vec![dst])
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
        let Some(g) = cotangents[0] else { return Ok(vec![None; inputs.len()]) };
        if self.variant_on(commands.context()) != Variant::Plain && needs[0] {
            let (x_bar, sums) = self.backward_row(commands, inputs, g, dtype)?;
            return Ok([vec![Some(x_bar)], self.parameter_bars(commands, &sums)?].concat());
        }
        let (x, at) = (inputs[0], &self.at);
        let (mean, variance) = row_moments(commands, x, at, dtype)?;
        let factor = Factor::Shifted { x, mean: &mean, variance: &variance, eps: self.eps };
        let sums = channel_sums(commands, g, factor, at, dtype)?;
        let (has_weight, weight) = (self.affine.weight.into(), self.affine.split(inputs).0.unwrap_or(x));
        let mut all = vec![None];
        if needs[0] {
            let x_bar = commands.empty(&self.shape, dtype)?;
            let row_means = commands.empty(&[2, at.outer, self.groups], DType::F32)?;
            let params = ParamsRows {
                samples: at.outer as u32,
                groups: self.groups as u32,
                channels: at.channels as u32,
                has_weight,
                share: (1.0 / at.len().max(1) as f64) as f32,
            };
            let binds = [read(&sums.all), read(weight), write(&row_means)];
            let work = Work::invocations(row_means.len()).rounds(at.channels / self.groups);
            commands.dispatch(&BACKWARD_ROWS, dtype, &[], &params, &binds, work)?;
            let params = ParamsBwd {
                len: x.len() as u32,
                row: at.len() as u32,
                rows: at.count() as u32,
                channels: at.channels as u32,
                inner: at.inner as u32,
                has_weight,
                eps: self.eps,
            };
            let statistics = [read(&mean), read(&variance), read(&row_means)];
            let binds = [&[read(x), read(weight), read(g)][..], &statistics, &[write(&x_bar)]].concat();
            let work = Work::invocations(x.len()).flops(8 * x.len());
            commands.dispatch(&BACKWARD, dtype, &[], &params, &binds, work)?;
            all[0] = Some(x_bar);
        }
        all.extend(self.parameter_bars(commands, &sums)?);
        Ok(all)
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `(x - mean) / sqrt(variance + eps) weight[c] + bias[c]` for `x` `[B, C, ..]`: mean and biased variance over the
    /// `C / groups` channels of a group and all positions of one sample. `weight` and `bias` `[C]`.
    ///
    /// # Errors
    /// `Param` if the channels do not split into groups or `eps` is not positive, `Shape`, `DType`; as
    /// [`Commands::apply`].
    pub fn norm_group(
        &mut self,
        x: &Tensor,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        groups: usize,
        eps: f32,
    ) -> Result<Tensor> {
        let (affine, inputs) = Affine::of(x, weight, bias);
        Ok(self.apply(&NormGroup::new(x.shape(), groups, eps, affine)?, &inputs)?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::norm_group`](crate::Commands::norm_group), differentiable in all operands; the gradients of
    /// `weight` and `bias` are f32.
    ///
    /// # Errors
    /// As [`Commands::norm_group`](crate::Commands::norm_group).
    pub fn norm_group(
        &mut self,
        x: Var,
        weight: Option<Var>,
        bias: Option<Var>,
        groups: usize,
        eps: f32,
    ) -> Result<Var> {
        let (affine, inputs) = Affine::of(x, weight, bias);
        let op = NormGroup::new(&self.spec(x)?.shape, groups, eps, affine)?;
        self.apply_one(op, &inputs)
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "norm_group",
    formula: "dst = (x - mean) / sqrt(variance + eps) weight[c] + bias[c], per group of channels",
    differentiable: true,
    kernels: &[
        &FORWARD,
        &BACKWARD_ROWS,
        &BACKWARD,
        &FORWARD_ROW,
        &FORWARD_ROW_REG,
        &BACKWARD_ROW,
        &super::row_moment::KERNEL,
        &super::channel_sums::KERNEL,
        &super::sum_rows::KERNEL,
    ],
    cases: cases::cases,
};
