//! Normalisation by the root of the mean square over the channels of one position.

#[cfg(feature = "gpu")]
use super::channel_sums::{Factor, channel_sums};
#[cfg(feature = "gpu")]
use super::rows::{block, block_work};
use super::rows::{positive, rows};
use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::{Over, Real, Rows, norm_rms as cpu};
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::DType;
use crate::kernel::{Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Tape, Var};

crate::params! {
    /// Parameters of both kernels.
    struct Params { rows: u32, channels: u32, inner: u32, block: u32, has_weight: u32, share: f32, eps: f32 }
}

const X: &str = "[outer, channels, inner]";

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "norm_rms",
    source: source!("norm_rms", "grid", "row_block"),
    params: Params::FIELDS,
    bindings: &[
        input("x", Elem::Storage, X),
        input("weight", Elem::Storage, "[channels]"),
        output("dst", Elem::Storage, X),
    ],
    constants: &[],
};

/// Cotangent of `x`, and the mean squares again.
pub static BACKWARD: Kernel = Kernel {
    name: "norm_rms_bwd",
    source: source!("norm_rms_bwd", "grid", "row_block"),
    params: Params::FIELDS,
    bindings: &[
        input("x", Elem::Storage, X),
        input("weight", Elem::Storage, "[channels]"),
        input("dst_bar", Elem::Storage, X),
        output("x_bar", Elem::Storage, X),
        output("variance", Elem::F32, "[rows]"),
    ],
    constants: &[],
};

/// A normalisation by the root of the mean square with fixed extents.
#[derive(Clone, Debug)]
pub struct NormRms {
    shape: Vec<usize>,
    at: Rows,
    eps: f32,
    has_weight: bool,
}

impl NormRms {
    fn new(shape: &[usize], axis: usize, eps: f32, has_weight: bool) -> Result<NormRms> {
        let at = rows("norm_rms", "x", shape, axis, Over::Channels)?;
        positive("norm_rms", eps)?;
        Ok(NormRms { shape: shape.to_vec(), at, eps, has_weight })
    }

    #[cfg(feature = "gpu")]
    fn params(&self) -> Params {
        Params {
            rows: self.at.count() as u32,
            channels: self.at.channels as u32,
            inner: self.at.inner as u32,
            block: block(&self.at) as u32,
            has_weight: self.has_weight.into(),
            share: (1.0 / self.at.channels as f64) as f32,
            eps: self.eps,
        }
    }
}

impl Op for NormRms {
    fn name(&self) -> &'static str {
        "norm_rms"
    }
    fn inputs(&self) -> Vec<Port> {
        let weight = self.has_weight.then(|| Port::storage("weight", &[self.at.channels]));
        std::iter::once(Port::storage("x", &self.shape)).chain(weight).collect()
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::storage("dst", &self.shape)]
    }
    fn parameters(&self) -> &'static [&'static str] {
        &["weight"]
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(inputs[0], inputs.get(1).copied(), &self.at, self.eps.into())]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        cpu::backward(inputs[0], inputs.get(1).copied(), cotangents[0], &self.at, self.eps.into())
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], dtype: DType) -> Result<Vec<Tensor>> {
        let x = inputs[0];
        let dst = commands.empty(&self.shape, dtype)?;
        let binds = [read(x), read(inputs.get(1).copied().unwrap_or(x)), write(&dst)];
        let work = block_work(&self.at, 2, 1).flops(4 * x.len());
        commands.dispatch(&FORWARD, dtype, &[], &self.params(), &binds, work)?;
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
        let variance = commands.empty(&[at.count()], DType::F32)?;
        let weight = inputs.get(1).copied().unwrap_or(x);
        let binds = [read(x), read(weight), read(g), write(&x_bar), write(&variance)];
        let work = block_work(at, 3, 2).flops(11 * x.len());
        commands.dispatch(&BACKWARD, dtype, &[], &self.params(), &binds, work)?;
        let mut all = vec![Some(x_bar)];
        if self.has_weight {
            all.push(None);
            if needs[1] {
                let factor = Factor::Scaled { x, variance: &variance, eps: self.eps };
                all[1] = Some(channel_sums(commands, g, factor, at, dtype)?.along(commands)?);
            }
        }
        Ok(all)
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `x / sqrt(mean x^2 + eps) weight[c]`, the mean over the channels along `axis` of one position; `axis` is not the
    /// first. `weight` `[C]`.
    ///
    /// # Errors
    /// `Param` if `eps` is not positive, `Shape`, `DType`; as [`Commands::apply`].
    pub fn norm_rms(&mut self, x: &Tensor, weight: Option<&Tensor>, axis: usize, eps: f32) -> Result<Tensor> {
        let inputs: Vec<&Tensor> = std::iter::once(x).chain(weight).collect();
        Ok(self.apply(&NormRms::new(x.shape(), axis, eps, weight.is_some())?, &inputs)?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::norm_rms`](crate::Commands::norm_rms), differentiable in both operands; the gradient of `weight`
    /// is f32.
    ///
    /// # Errors
    /// As [`Commands::norm_rms`](crate::Commands::norm_rms).
    pub fn norm_rms(&mut self, x: Var, weight: Option<Var>, axis: usize, eps: f32) -> Result<Var> {
        let op = NormRms::new(&self.spec(x)?.shape, axis, eps, weight.is_some())?;
        let inputs: Vec<Var> = std::iter::once(x).chain(weight).collect();
        self.apply_one(op, &inputs)
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "norm_rms",
    formula: "dst = x / sqrt(mean x^2 + eps) weight[c], over the channels",
    differentiable: true,
    kernels: &[&FORWARD, &BACKWARD, &super::channel_sums::KERNEL, &super::sum_rows::KERNEL],
    cases,
};

fn cases() -> Vec<Case> {
    let case = |shape: &[usize], axis: usize, eps: f32, label: &str, has_weight: bool, fill: Fill| {
        let op = NormRms::new(shape, axis, eps, has_weight).ok()?;
        let mut fills = vec![Fill::Uniform; 1 + usize::from(has_weight)];
        fills[0] = fill;
        Some(Case::new(format!("{shape:?} axis {axis}{label}"), op, fills))
    };
    let mut cases = Vec::new();
    for (has_weight, label) in [(true, ""), (false, " plain")] {
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
        cases.extend(sizes.iter().filter_map(|(s, axis)| case(s, *axis, 1e-5, label, has_weight, Fill::Uniform)));
        cases
            .extend(case(&[2, 4, 3], 1, 1e-2, &format!("{label} ladder"), has_weight, Fill::Uniform).map(Case::ladder));
    }
    for (label, fill) in [
        (" mixed scales", Fill::Mixed(20)),
        (" constant", Fill::Values(vec![3.7])),
        (" zero", Fill::Zero),
        (" one element", Fill::OneHot),
        (" large mean", Fill::Between(1000.0, 1000.01)),
    ] {
        cases.extend(case(&[2, 33, 9], 1, 1e-5, label, true, fill));
    }
    cases.extend(case(&[16, 256, 256], 2, 1e-5, "", true, Fill::Uniform).map(Case::bench));
    cases.extend(case(&[16, 256, 16, 16], 1, 1e-5, "", true, Fill::Uniform).map(Case::bench));
    cases
}
