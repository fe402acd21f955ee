//! Group normalisation: statistics over the channels of a group and all positions of one sample.

use super::rows::{Affine, positive, rows};
use super::spec::{Case, Fill, Op, OpSpec, Port};
#[cfg(feature = "gpu")]
use super::{
    channel_sums::{Factor, channel_sums},
    row_moment::row_moments,
};
use crate::cpu::{Over, Real, Rows, norm_group as cpu};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::DType;
use crate::kernel::{Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Tape, Var};

crate::params! {
    /// Parameters of the forward kernel.
    struct Params { len: u32, row: u32, channels: u32, inner: u32, has_weight: u32, has_bias: u32, eps: f32 }
}

crate::params! {
    /// Parameters of the kernel that reduces the cotangents of a group.
    struct ParamsRows { samples: u32, groups: u32, channels: u32, has_weight: u32, share: f32 }
}

crate::params! {
    /// Parameters of the backward kernel.
    struct ParamsBwd { len: u32, row: u32, rows: u32, channels: u32, inner: u32, has_weight: u32, eps: f32 }
}

const X: &str = "[samples, channels, inner]";

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "norm_group",
    source: source!("norm_group", "grid"),
    params: Params::FIELDS,
    bindings: &[
        input("x", Elem::Storage, X),
        input("weight", Elem::Storage, "[channels]"),
        input("bias", Elem::Storage, "[channels]"),
        input("mean", Elem::F32, "[rows]"),
        input("variance", Elem::F32, "[rows]"),
        output("dst", Elem::Storage, X),
    ],
    constants: &[],
};

/// Means over the groups of what the backward pass projects out.
pub static BACKWARD_ROWS: Kernel = Kernel {
    name: "norm_group_bwd_rows",
    source: source!("norm_group_bwd_rows", "grid"),
    params: ParamsRows::FIELDS,
    bindings: &[
        input("sums", Elem::F32, "[2, channels, samples]"),
        input("weight", Elem::Storage, "[channels]"),
        output("row_means", Elem::F32, "[2, samples, groups]"),
    ],
    constants: &[],
};

/// Cotangent of `x`.
pub static BACKWARD: Kernel = Kernel {
    name: "norm_group_bwd",
    source: source!("norm_group_bwd", "grid"),
    params: ParamsBwd::FIELDS,
    bindings: &[
        input("x", Elem::Storage, X),
        input("weight", Elem::Storage, "[channels]"),
        input("dst_bar", Elem::Storage, X),
        input("mean", Elem::F32, "[rows]"),
        input("variance", Elem::F32, "[rows]"),
        input("row_means", Elem::F32, "[2, rows]"),
        output("x_bar", Elem::Storage, X),
    ],
    constants: &[],
};

/// A group normalisation with fixed extents.
#[derive(Clone, Debug)]
pub struct NormGroup {
    shape: Vec<usize>,
    at: Rows,
    #[cfg(feature = "gpu")]
    groups: usize,
    eps: f32,
    affine: Affine,
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
            #[cfg(feature = "gpu")]
            groups,
            eps,
            affine,
        })
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
        let weight_bar = if self.affine.weight { Some(sums.along(commands)?) } else { None };
        let bias_bar = if self.affine.bias { Some(sums.plain(commands)?) } else { None };
        all.extend(self.affine.keep(weight_bar, bias_bar));
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
        &super::row_moment::KERNEL,
        &super::channel_sums::KERNEL,
        &super::sum_rows::KERNEL,
    ],
    cases,
};

fn cases() -> Vec<Case> {
    let case = |shape: &[usize], groups: usize, eps: f32, label: &str, affine: Affine, fill: Fill| {
        let op = NormGroup::new(shape, groups, eps, affine).ok()?;
        let mut fills = vec![Fill::Uniform; 1 + affine.count()];
        fills[0] = fill;
        Some(Case::new(format!("{shape:?} groups {groups}{label}"), op, fills))
    };
    let mut cases = Vec::new();
    for (affine, label) in Affine::all() {
        let sizes: [(&[usize], usize); 8] = [
            (&[0, 4, 3], 2),
            (&[2, 4, 0], 2),
            (&[1, 1, 1], 1),
            (&[3, 6], 2),
            (&[2, 6, 3, 7], 3),
            (&[2, 5, 13], 1),
            (&[1, 4, 65], 4),
            (&[2, 6, 1025], 2),
        ];
        cases.extend(sizes.iter().filter_map(|(s, groups)| case(s, *groups, 1e-5, label, affine, Fill::Uniform)));
        cases.extend(case(&[2, 4, 3], 2, 1e-2, &format!("{label} ladder"), affine, Fill::Uniform).map(Case::ladder));
    }
    let [(affine, _), _] = Affine::all();
    for (label, fill) in [
        (" mixed scales", Fill::Mixed(20)),
        (" constant", Fill::Values(vec![3.7])),
        (" zero", Fill::Zero),
        (" one element", Fill::OneHot),
        (" large mean", Fill::Between(1000.0, 1000.01)),
    ] {
        cases.extend(case(&[2, 6, 35], 3, 1e-5, label, affine, fill));
    }
    if let Some(single) = case(&[2, 5, 1], 5, 1e-5, " single elements", affine, Fill::Uniform) {
        cases.push(single);
    }
    cases.extend(case(&[16, 64, 32, 32], 16, 1e-5, "", affine, Fill::Uniform).map(Case::bench));
    cases
}
