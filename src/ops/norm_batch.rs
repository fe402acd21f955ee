//! Batch normalisation in training: statistics over samples and positions per channel.

use super::rows::{Affine, positive, rows};
use super::spec::{Case, Fill, Op, OpSpec, Port};
#[cfg(feature = "gpu")]
use super::{
    channel_sums::{Factor, channel_sums},
    row_moment::row_moments,
};
use crate::cpu::{Over, Real, Rows, norm_batch as cpu};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::DType;
use crate::kernel::{Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Tape, Var};

crate::params! {
    /// Parameters of the forward kernel.
    struct Params { len: u32, channels: u32, inner: u32, has_weight: u32, has_bias: u32, eps: f32 }
}

crate::params! {
    /// Parameters of the kernel that prepares what a channel's cotangents have in common.
    struct ParamsChannels { channels: u32, has_dst: u32, has_mean: u32, has_variance: u32, share: f32 }
}

crate::params! {
    /// Parameters of the backward kernel.
    struct ParamsBwd { len: u32, channels: u32, inner: u32, has_weight: u32, has_dst: u32, eps: f32 }
}

const X: &str = "[samples, channels, inner]";

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "norm_batch",
    source: source!("norm_batch", "grid"),
    params: Params::FIELDS,
    bindings: &[
        input("x", Elem::Storage, X),
        input("weight", Elem::Storage, "[channels]"),
        input("bias", Elem::Storage, "[channels]"),
        input("offset", Elem::F32, "[channels]"),
        input("variance", Elem::F32, "[channels]"),
        output("dst", Elem::Storage, X),
        output("mean", Elem::F32, "[channels]"),
    ],
    constants: &[],
};

/// What the cotangents of a channel have in common.
pub static BACKWARD_CHANNELS: Kernel = Kernel {
    name: "norm_batch_bwd_channels",
    source: source!("norm_batch_bwd_channels", "grid"),
    params: ParamsChannels::FIELDS,
    bindings: &[
        input("sums", Elem::F32, "[2, channels]"),
        input("mean_bar", Elem::F32, "[channels]"),
        input("variance_bar", Elem::F32, "[channels]"),
        output("pulls", Elem::F32, "[4, channels]"),
    ],
    constants: &[],
};

/// Cotangent of `x`.
pub static BACKWARD: Kernel = Kernel {
    name: "norm_batch_bwd",
    source: source!("norm_batch_bwd", "grid"),
    params: ParamsBwd::FIELDS,
    bindings: &[
        input("x", Elem::Storage, X),
        input("weight", Elem::Storage, "[channels]"),
        input("dst_bar", Elem::Storage, X),
        input("offset", Elem::F32, "[channels]"),
        input("variance", Elem::F32, "[channels]"),
        input("pulls", Elem::F32, "[4, channels]"),
        output("x_bar", Elem::Storage, X),
    ],
    constants: &[],
};

/// A batch normalisation with fixed extents.
#[derive(Clone, Debug)]
pub struct NormBatch {
    shape: Vec<usize>,
    at: Rows,
    eps: f32,
    affine: Affine,
}

impl NormBatch {
    fn new(shape: &[usize], eps: f32, affine: Affine) -> Result<NormBatch> {
        let at = rows("norm_batch", "x", shape, 1, Over::Samples)?;
        positive("norm_batch", eps)?;
        Ok(NormBatch { shape: shape.to_vec(), at, eps, affine })
    }
}

impl Op for NormBatch {
    fn name(&self) -> &'static str {
        "norm_batch"
    }
    fn inputs(&self) -> Vec<Port> {
        std::iter::once(Port::storage("x", &self.shape)).chain(self.affine.ports(self.at.channels)).collect()
    }
    fn outputs(&self) -> Vec<Port> {
        let channels = [self.at.channels];
        vec![Port::storage("dst", &self.shape), Port::f32("mean", &channels), Port::f32("variance", &channels)]
    }
    fn parameters(&self) -> &'static [&'static str] {
        &["weight", "bias"]
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        let (weight, bias) = self.affine.split(inputs);
        cpu::forward(inputs[0], weight, bias, &self.at, self.eps.into())
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        let (weight, _) = self.affine.split(inputs);
        cpu::backward(inputs[0], weight, self.affine.bias, cotangents, &self.at, self.eps.into())
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], dtype: DType) -> Result<Vec<Tensor>> {
        let (x, at) = (inputs[0], &self.at);
        let (weight, bias) = self.affine.split(inputs);
        let dst = commands.empty(&self.shape, dtype)?;
        let (offset, variance) = row_moments(commands, x, at, dtype)?;
        // Nothing has mean 0 and variance 0, which is what the sums over nothing are.
        if at.is_empty() {
            return Ok(vec![dst, offset, variance]);
        }
        let mean = commands.empty(&[at.channels], DType::F32)?;
        let params = Params {
            len: x.len() as u32,
            channels: at.channels as u32,
            inner: at.inner as u32,
            has_weight: self.affine.weight.into(),
            has_bias: self.affine.bias.into(),
            eps: self.eps,
        };
        let (weight, bias) = (weight.unwrap_or(x), bias.unwrap_or(x));
        let binds = [read(x), read(weight), read(bias), read(&offset), read(&variance), write(&dst), write(&mean)];
        let work = Work::invocations(x.len()).flops(5 * x.len());
        commands.dispatch(&FORWARD, dtype, &[], &params, &binds, work)?;
        Ok(vec![dst, mean, variance])
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
        let (x, at) = (inputs[0], &self.at);
        let [g, mean_bar, variance_bar] = [cotangents[0], cotangents[1], cotangents[2]];
        if g.is_none() && mean_bar.is_none() && variance_bar.is_none() {
            return Ok(vec![None; inputs.len()]);
        }
        let (offset, variance) = row_moments(commands, x, at, dtype)?;
        let factor = Factor::Shifted { x, mean: &offset, variance: &variance, eps: self.eps };
        let sums = g.map(|g| channel_sums(commands, g, factor, at, dtype)).transpose()?;
        let mut all = vec![None];
        if needs[0] {
            let pulls = commands.empty(&[4, at.channels], DType::F32)?;
            let params = ParamsChannels {
                channels: at.channels as u32,
                has_dst: g.is_some().into(),
                has_mean: mean_bar.is_some().into(),
                has_variance: variance_bar.is_some().into(),
                share: (1.0 / at.len().max(1) as f64) as f32,
            };
            let known = sums.as_ref().map_or(&variance, |sums| &sums.all);
            let (mean_bar, variance_bar) = (mean_bar.unwrap_or(&variance), variance_bar.unwrap_or(&variance));
            let binds = [read(known), read(mean_bar), read(variance_bar), write(&pulls)];
            commands.dispatch(&BACKWARD_CHANNELS, dtype, &[], &params, &binds, Work::invocations(at.channels))?;
            let x_bar = commands.empty(&self.shape, dtype)?;
            let params = ParamsBwd {
                len: x.len() as u32,
                channels: at.channels as u32,
                inner: at.inner as u32,
                has_weight: self.affine.weight.into(),
                has_dst: g.is_some().into(),
                eps: self.eps,
            };
            let weight = self.affine.split(inputs).0.unwrap_or(x);
            let statistics = [read(&offset), read(&variance), read(&pulls)];
            let binds = [&[read(x), read(weight), read(g.unwrap_or(x))][..], &statistics, &[write(&x_bar)]].concat();
            let work = Work::invocations(x.len()).flops(10 * x.len());
            commands.dispatch(&BACKWARD, dtype, &[], &params, &binds, work)?;
            all[0] = Some(x_bar);
        }
        let weight_bar = sums.as_ref().filter(|_| self.affine.weight).map(|sums| sums.along(commands)).transpose()?;
        let bias_bar = sums.as_ref().filter(|_| self.affine.bias).map(|sums| sums.plain(commands)).transpose()?;
        all.extend(self.affine.keep(weight_bar, bias_bar));
        Ok(all)
    }
}

/// The three outputs apart.
fn three<T>(found: Vec<T>) -> Result<(T, T, T)> {
    let count = found.len();
    match <[T; 3]>::try_from(found) {
        Ok([dst, mean, variance]) => Ok((dst, mean, variance)),
        Err(_) => Err(Error::argument(ErrorKind::Param, "norm_batch", "number of outputs", count, 3)),
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// Batch normalisation in training, `(x - mean) / sqrt(variance + eps) weight[c] + bias[c]` for `x` `[B, C, ..]`:
    /// mean and biased variance over samples and positions per channel. `weight` and `bias` `[C]`. Also returns mean
    /// and variance, `[C]` in f32, which are 0 for an empty `x`.
    ///
    /// # Errors
    /// `Param` if `eps` is not positive, `Shape`, `DType`; as [`Commands::apply`].
    pub fn norm_batch(
        &mut self,
        x: &Tensor,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        eps: f32,
    ) -> Result<(Tensor, Tensor, Tensor)> {
        let (affine, inputs) = Affine::of(x, weight, bias);
        three(self.apply(&NormBatch::new(x.shape(), eps, affine)?, &inputs)?)
    }
}

impl Tape {
    /// As [`Commands::norm_batch`](crate::Commands::norm_batch), differentiable in all operands and from all three
    /// results; the gradients of `weight` and `bias` are f32.
    ///
    /// # Errors
    /// As [`Commands::norm_batch`](crate::Commands::norm_batch).
    pub fn norm_batch(&mut self, x: Var, weight: Option<Var>, bias: Option<Var>, eps: f32) -> Result<(Var, Var, Var)> {
        let (affine, inputs) = Affine::of(x, weight, bias);
        let op = NormBatch::new(&self.spec(x)?.shape, eps, affine)?;
        three(self.apply(op, &inputs)?)
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "norm_batch",
    formula: "dst = (x - mean[c]) / sqrt(variance[c] + eps) weight[c] + bias[c], statistics of x",
    differentiable: true,
    kernels: &[
        &FORWARD,
        &BACKWARD_CHANNELS,
        &BACKWARD,
        &super::row_moment::KERNEL,
        &super::channel_sums::KERNEL,
        &super::sum_rows::KERNEL,
    ],
    cases,
};

fn cases() -> Vec<Case> {
    let case = |shape: &[usize], eps: f32, label: &str, affine: Affine, fill: Fill| {
        let op = NormBatch::new(shape, eps, affine).ok()?;
        let mut fills = vec![Fill::Uniform; 1 + affine.count()];
        fills[0] = fill;
        Some(Case::new(format!("{shape:?}{label}"), op, fills))
    };
    let mut cases = Vec::new();
    for (affine, label) in Affine::all() {
        let sizes: [&[usize]; 8] =
            [&[0, 4, 3], &[2, 4, 0], &[1, 1, 1], &[7, 6], &[65, 3], &[3, 5, 3, 7], &[3, 2, 65], &[2, 3, 1025]];
        cases.extend(sizes.iter().filter_map(|shape| case(shape, 1e-5, label, affine, Fill::Uniform)));
        cases.extend(case(&[3, 2, 3], 1e-2, &format!("{label} ladder"), affine, Fill::Uniform).map(Case::ladder));
    }
    let [(affine, _), _] = Affine::all();
    for (label, fill) in [
        (" mixed scales", Fill::Mixed(20)),
        (" constant", Fill::Values(vec![3.7])),
        (" zero", Fill::Zero),
        (" one element", Fill::OneHot),
        (" large mean", Fill::Between(1000.0, 1000.01)),
    ] {
        cases.extend(case(&[4, 3, 35], 1e-5, label, affine, fill));
    }
    cases.extend(case(&[16, 64, 32, 32], 1e-5, "", affine, Fill::Uniform).map(Case::bench));
    cases
}
