//! Layer normalisation: statistics over the channels of one position.

#[cfg(feature = "gpu")]
use super::channel_sums::{Factor, channel_sums};
use super::rows::{Affine, positive, rows};
#[cfg(feature = "gpu")]
use super::rows::{block, block_work};
use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::{Over, Real, Rows, norm_layer as cpu};
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::DType;
use crate::kernel::{Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Tape, Var};

crate::params! {
    /// Parameters of the forward kernel.
    struct Params {
        rows: u32, channels: u32, inner: u32, block: u32, has_weight: u32, has_bias: u32, share: f32, eps: f32,
    }
}

crate::params! {
    /// Parameters of the backward kernel.
    struct ParamsBwd { rows: u32, channels: u32, inner: u32, block: u32, has_weight: u32, share: f32, eps: f32 }
}

const X: &str = "[outer, channels, inner]";

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "norm_layer",
    source: source!("norm_layer", "grid", "row_block"),
    params: Params::FIELDS,
    bindings: &[
        input("x", Elem::Storage, X),
        input("weight", Elem::Storage, "[channels]"),
        input("bias", Elem::Storage, "[channels]"),
        output("dst", Elem::Storage, X),
    ],
    constants: &[],
};

/// Cotangent of `x`, and the statistics again.
pub static BACKWARD: Kernel = Kernel {
    name: "norm_layer_bwd",
    source: source!("norm_layer_bwd", "grid", "row_block"),
    params: ParamsBwd::FIELDS,
    bindings: &[
        input("x", Elem::Storage, X),
        input("weight", Elem::Storage, "[channels]"),
        input("dst_bar", Elem::Storage, X),
        output("x_bar", Elem::Storage, X),
        output("mean", Elem::F32, "[rows]"),
        output("variance", Elem::F32, "[rows]"),
    ],
    constants: &[],
};

/// A layer normalisation with fixed extents.
#[derive(Clone, Debug)]
pub struct NormLayer {
    shape: Vec<usize>,
    at: Rows,
    eps: f32,
    affine: Affine,
}

impl NormLayer {
    fn new(shape: &[usize], axis: usize, eps: f32, affine: Affine) -> Result<NormLayer> {
        let at = rows("norm_layer", "x", shape, axis, Over::Channels)?;
        positive("norm_layer", eps)?;
        Ok(NormLayer { shape: shape.to_vec(), at, eps, affine })
    }
}

impl Op for NormLayer {
    fn name(&self) -> &'static str {
        "norm_layer"
    }
    fn inputs(&self) -> Vec<Port> {
        std::iter::once(Port::storage("x", &self.shape)).chain(self.affine.ports(self.at.channels)).collect()
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
        let params = Params {
            rows: at.count() as u32,
            channels: at.channels as u32,
            inner: at.inner as u32,
            block: block(at) as u32,
            has_weight: self.affine.weight.into(),
            has_bias: self.affine.bias.into(),
            share: (1.0 / at.channels as f64) as f32,
            eps: self.eps,
        };
        let binds = [read(x), read(weight.unwrap_or(x)), read(bias.unwrap_or(x)), write(&dst)];
        commands.dispatch(&FORWARD, dtype, &[], &params, &binds, block_work(at, 3, 2).flops(9 * x.len()))?;
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
        let x_bar = commands.empty(&self.shape, dtype)?;
        let mean = commands.empty(&[at.count()], DType::F32)?;
        let variance = commands.empty(&[at.count()], DType::F32)?;
        let params = ParamsBwd {
            rows: at.count() as u32,
            channels: at.channels as u32,
            inner: at.inner as u32,
            block: block(at) as u32,
            has_weight: self.affine.weight.into(),
            share: (1.0 / at.channels as f64) as f32,
            eps: self.eps,
        };
        let weight = self.affine.split(inputs).0.unwrap_or(x);
        let binds = [read(x), read(weight), read(g), write(&x_bar), write(&mean), write(&variance)];
        commands.dispatch(&BACKWARD, dtype, &[], &params, &binds, block_work(at, 4, 4).flops(20 * x.len()))?;
        let mut all = vec![Some(x_bar)];
        if !needs[1..].iter().any(|need| *need) {
            all.resize(inputs.len(), None);
            return Ok(all);
        }
        let factor = Factor::Shifted { x, mean: &mean, variance: &variance, eps: self.eps };
        let sums = channel_sums(commands, g, factor, at, dtype)?;
        let weight_bar = if self.affine.weight { Some(sums.along(commands)?) } else { None };
        let bias_bar = if self.affine.bias { Some(sums.plain(commands)?) } else { None };
        all.extend(self.affine.keep(weight_bar, bias_bar));
        Ok(all)
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `(x - mean) / sqrt(variance + eps) weight[c] + bias[c]`: mean and biased variance over the channels along `axis`
    /// of one position; `axis` is not the first. `weight` and `bias` `[C]`.
    ///
    /// # Errors
    /// `Param` if `eps` is not positive, `Shape`, `DType`; as [`Commands::apply`].
    pub fn norm_layer(
        &mut self,
        x: &Tensor,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        axis: usize,
        eps: f32,
    ) -> Result<Tensor> {
        let (affine, inputs) = Affine::of(x, weight, bias);
        Ok(self.apply(&NormLayer::new(x.shape(), axis, eps, affine)?, &inputs)?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::norm_layer`](crate::Commands::norm_layer), differentiable in all operands; the gradients of
    /// `weight` and `bias` are f32.
    ///
    /// # Errors
    /// As [`Commands::norm_layer`](crate::Commands::norm_layer).
    pub fn norm_layer(&mut self, x: Var, weight: Option<Var>, bias: Option<Var>, axis: usize, eps: f32) -> Result<Var> {
        let (affine, inputs) = Affine::of(x, weight, bias);
        let op = NormLayer::new(&self.spec(x)?.shape, axis, eps, affine)?;
        self.apply_one(op, &inputs)
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "norm_layer",
    formula: "dst = (x - mean) / sqrt(variance + eps) weight[c] + bias[c], over the channels",
    differentiable: true,
    kernels: &[&FORWARD, &BACKWARD, &super::channel_sums::KERNEL, &super::sum_rows::KERNEL],
    cases,
};

fn cases() -> Vec<Case> {
    let case = |shape: &[usize], axis: usize, eps: f32, label: &str, affine: Affine, fill: Fill| {
        let op = NormLayer::new(shape, axis, eps, affine).ok()?;
        let mut fills = vec![Fill::Uniform; 1 + affine.count()];
        fills[0] = fill;
        Some(Case::new(format!("{shape:?} axis {axis}{label}"), op, fills))
    };
    let mut cases = Vec::new();
    for (affine, label) in Affine::all() {
        let sizes: [(&[usize], usize); 9] = [
            (&[0, 4, 3], 1),
            (&[2, 4, 0], 1),
            (&[1, 1], 1),
            (&[3, 65], 1),
            (&[2, 5, 63], 2),
            (&[2, 17, 3, 7], 1),
            (&[2, 3, 8], 1),
            (&[1, 300, 5], 1),
            (&[1100, 3], 1),
        ];
        cases.extend(sizes.iter().filter_map(|(s, axis)| case(s, *axis, 1e-5, label, affine, Fill::Uniform)));
        cases.extend(case(&[2, 4, 3], 1, 1e-2, &format!("{label} ladder"), affine, Fill::Uniform).map(Case::ladder));
    }
    let [(affine, _), _] = Affine::all();
    for (label, fill) in [
        (" mixed scales", Fill::Mixed(20)),
        (" constant", Fill::Values(vec![3.7])),
        (" zero", Fill::Zero),
        (" one element", Fill::OneHot),
        (" large mean", Fill::Between(1000.0, 1000.01)),
    ] {
        cases.extend(case(&[2, 33, 9], 1, 1e-5, label, affine, fill));
    }
    cases.extend(case(&[16, 256, 256], 2, 1e-5, "", affine, Fill::Uniform).map(Case::bench));
    cases.extend(case(&[16, 256, 16, 16], 1, 1e-5, "", affine, Fill::Uniform).map(Case::bench));
    cases
}
