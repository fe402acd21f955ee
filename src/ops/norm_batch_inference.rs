//! Batch normalisation with given statistics.

#[cfg(feature = "gpu")]
use super::channel_sums::{Factor, channel_sums};
use super::rows::{Affine, positive, rows};
use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::{Over, Real, Rows, norm_batch_inference as cpu};
use crate::error::Result;
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
    /// Parameters of the backward kernel of the statistics.
    struct ParamsStatistics { channels: u32, has_weight: u32, eps: f32 }
}

crate::params! {
    /// Parameters of the backward kernel of `x`.
    struct ParamsBwd { len: u32, channels: u32, inner: u32, has_weight: u32, eps: f32 }
}

const X: &str = "[samples, channels, inner]";
const C: &str = "[channels]";

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "norm_batch_inference",
    source: source!("norm_batch_inference", "grid"),
    params: Params::FIELDS,
    bindings: &[
        input("x", Elem::Storage, X),
        input("mean", Elem::F32, C),
        input("variance", Elem::F32, C),
        input("weight", Elem::Storage, C),
        input("bias", Elem::Storage, C),
        output("dst", Elem::Storage, X),
    ],
    constants: &[],
};

/// Cotangent of `x`.
pub static BACKWARD: Kernel = Kernel {
    name: "norm_batch_inference_bwd",
    source: source!("norm_batch_inference_bwd", "grid"),
    params: ParamsBwd::FIELDS,
    bindings: &[
        input("variance", Elem::F32, C),
        input("weight", Elem::Storage, C),
        input("dst_bar", Elem::Storage, X),
        output("x_bar", Elem::Storage, X),
    ],
    constants: &[],
};

/// Cotangents of the statistics.
pub static BACKWARD_STATISTICS: Kernel = Kernel {
    name: "norm_batch_inference_bwd_statistics",
    source: source!("norm_batch_inference_bwd_statistics", "grid"),
    params: ParamsStatistics::FIELDS,
    bindings: &[
        input("sums", Elem::F32, "[2, channels]"),
        input("variance", Elem::F32, C),
        input("weight", Elem::Storage, C),
        output("mean_bar", Elem::F32, C),
        output("variance_bar", Elem::F32, C),
    ],
    constants: &[],
};

/// A batch normalisation with given statistics and fixed extents.
#[derive(Clone, Debug)]
pub struct NormBatchInference {
    shape: Vec<usize>,
    at: Rows,
    eps: f32,
    affine: Affine,
}

impl NormBatchInference {
    fn new(shape: &[usize], eps: f32, affine: Affine) -> Result<NormBatchInference> {
        let at = rows("norm_batch_inference", "x", shape, 1, Over::Samples)?;
        positive("norm_batch_inference", eps)?;
        Ok(NormBatchInference { shape: shape.to_vec(), at, eps, affine })
    }
}

impl Op for NormBatchInference {
    fn name(&self) -> &'static str {
        "norm_batch_inference"
    }
    fn inputs(&self) -> Vec<Port> {
        let channels = [self.at.channels];
        let ports = [Port::storage("x", &self.shape), Port::f32("mean", &channels), Port::f32("variance", &channels)];
        ports.into_iter().chain(self.affine.ports(self.at.channels)).collect()
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::storage("dst", &self.shape)]
    }
    fn parameters(&self) -> &'static [&'static str] {
        &["weight", "bias"]
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        let (weight, bias) = self.affine.split(inputs);
        vec![cpu::forward(inputs[0], [inputs[1], inputs[2]], weight, bias, &self.at, self.eps.into())]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        let (weight, _) = self.affine.split(inputs);
        let statistics = [inputs[1], inputs[2]];
        cpu::backward(inputs[0], statistics, weight, self.affine.bias, cotangents[0], &self.at, self.eps.into())
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], dtype: DType) -> Result<Vec<Tensor>> {
        let (x, mean, variance) = (inputs[0], inputs[1], inputs[2]);
        let (weight, bias) = self.affine.split(inputs);
        let dst = commands.empty(&self.shape, dtype)?;
        let params = Params {
            len: x.len() as u32,
            channels: self.at.channels as u32,
            inner: self.at.inner as u32,
            has_weight: self.affine.weight.into(),
            has_bias: self.affine.bias.into(),
            eps: self.eps,
        };
        let (weight, bias) = (weight.unwrap_or(x), bias.unwrap_or(x));
        let binds = [read(x), read(mean), read(variance), read(weight), read(bias), write(&dst)];
        let work = Work::invocations(x.len()).flops(4 * x.len());
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
        let mut all = vec![None, None, None];
        let Some(g) = cotangents[0] else { return Ok(vec![None; inputs.len()]) };
        let (x, mean, variance) = (inputs[0], inputs[1], inputs[2]);
        let channels = self.at.channels;
        let (has_weight, weight) = (self.affine.weight.into(), self.affine.split(inputs).0.unwrap_or(g));
        if needs[0] {
            let x_bar = commands.empty(&self.shape, dtype)?;
            let params = ParamsBwd {
                len: x.len() as u32,
                channels: channels as u32,
                inner: self.at.inner as u32,
                has_weight,
                eps: self.eps,
            };
            let binds = [read(variance), read(weight), read(g), write(&x_bar)];
            let work = Work::invocations(x.len()).flops(2 * x.len());
            commands.dispatch(&BACKWARD, dtype, &[], &params, &binds, work)?;
            all[0] = Some(x_bar);
        }
        if !needs[1..].iter().any(|need| *need) {
            all.resize(inputs.len(), None);
            return Ok(all);
        }
        let factor = Factor::Centred { x, mean, variance, eps: self.eps };
        let sums = channel_sums(commands, g, factor, &self.at, dtype)?;
        if needs[1] || needs[2] {
            let mean_bar = commands.empty(&[channels], DType::F32)?;
            let variance_bar = commands.empty(&[channels], DType::F32)?;
            let params = ParamsStatistics { channels: channels as u32, has_weight, eps: self.eps };
            let binds = [read(&sums.all), read(variance), read(weight), write(&mean_bar), write(&variance_bar)];
            commands.dispatch(&BACKWARD_STATISTICS, dtype, &[], &params, &binds, Work::invocations(channels))?;
            all[1] = Some(mean_bar);
            all[2] = Some(variance_bar);
        }
        let weight_bar = if self.affine.weight { Some(sums.along(commands)?) } else { None };
        let bias_bar = if self.affine.bias { Some(sums.plain(commands)?) } else { None };
        all.extend(self.affine.keep(weight_bar, bias_bar));
        Ok(all)
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// Batch normalisation with given statistics, `(x - mean[c]) / sqrt(variance[c] + eps) weight[c] + bias[c]` for `x`
    /// `[B, C, ..]`; `mean` and `variance` `[C]` in f32, `weight` and `bias` `[C]`. A negative variance below `-eps`
    /// gives what the device's square root of a negative number gives.
    ///
    /// # Errors
    /// `Param` if `eps` is not positive, `Shape`, `DType`; as [`Commands::apply`].
    pub fn norm_batch_inference(
        &mut self,
        x: &Tensor,
        mean: &Tensor,
        variance: &Tensor,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        eps: f32,
    ) -> Result<Tensor> {
        let affine = Affine { weight: weight.is_some(), bias: bias.is_some() };
        let inputs: Vec<&Tensor> = [Some(x), Some(mean), Some(variance), weight, bias].into_iter().flatten().collect();
        Ok(self.apply(&NormBatchInference::new(x.shape(), eps, affine)?, &inputs)?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::norm_batch_inference`](crate::Commands::norm_batch_inference), differentiable in all operands;
    /// the gradients of all but `x` are f32.
    ///
    /// # Errors
    /// As [`Commands::norm_batch_inference`](crate::Commands::norm_batch_inference).
    pub fn norm_batch_inference(
        &mut self,
        x: Var,
        mean: Var,
        variance: Var,
        weight: Option<Var>,
        bias: Option<Var>,
        eps: f32,
    ) -> Result<Var> {
        let affine = Affine { weight: weight.is_some(), bias: bias.is_some() };
        let op = NormBatchInference::new(&self.spec(x)?.shape, eps, affine)?;
        let inputs: Vec<Var> = [Some(x), Some(mean), Some(variance), weight, bias].into_iter().flatten().collect();
        self.apply_one(op, &inputs)
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "norm_batch_inference",
    formula: "dst = (x - mean[c]) / sqrt(variance[c] + eps) weight[c] + bias[c], statistics given",
    differentiable: true,
    kernels: &[&FORWARD, &BACKWARD, &BACKWARD_STATISTICS, &super::channel_sums::KERNEL, &super::sum_rows::KERNEL],
    cases,
};

fn cases() -> Vec<Case> {
    let case = |shape: &[usize], label: &str, affine: Affine, fills: [Fill; 3]| {
        let op = NormBatchInference::new(shape, 1e-5, affine).ok()?;
        let mut fills = fills.to_vec();
        fills.resize(3 + affine.count(), Fill::Uniform);
        Some(Case::new(format!("{shape:?}{label}"), op, fills))
    };
    let usual = || [Fill::Uniform, Fill::Uniform, Fill::Between(0.25, 2.0)];
    let mut cases = Vec::new();
    for (affine, label) in Affine::all() {
        let sizes: [&[usize]; 7] =
            [&[0, 4, 3], &[2, 4, 0], &[1, 1, 1], &[7, 6], &[65, 3], &[3, 5, 3, 7], &[2, 3, 1025]];
        cases.extend(sizes.iter().filter_map(|shape| case(shape, label, affine, usual())));
        cases.extend(case(&[2, 2, 3], &format!("{label} ladder"), affine, usual()).map(Case::ladder));
    }
    let [(affine, _), _] = Affine::all();
    for (label, x, mean, variance) in [
        (" mixed scales", Fill::Mixed(20), Fill::Mixed(20), Fill::Between(0.0, 4.0)),
        (" no variance", Fill::Uniform, Fill::Uniform, Fill::Zero),
        (" large mean", Fill::Between(1000.0, 1001.0), Fill::Between(1000.0, 1001.0), Fill::Between(0.0, 1e-4)),
    ] {
        cases.extend(case(&[2, 3, 35], label, affine, [x, mean, variance]));
    }
    cases.extend(case(&[16, 64, 32, 32], "", affine, usual()).map(Case::bench));
    cases
}
