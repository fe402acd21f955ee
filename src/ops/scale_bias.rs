//! `dst = x scale[c] + bias[c]` per channel.

#[cfg(feature = "gpu")]
use super::channel_sums::{Factor, channel_sums};
use super::rows::rows;
use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::{Over, Real, Rows, scale_bias as cpu};
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::DType;
use crate::kernel::{Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Tape, Var};

crate::params! {
    /// Parameters of both kernels.
    struct Params { len: u32, channels: u32, inner: u32 }
}

const X: &str = "[outer, channels, inner]";

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "scale_bias",
    source: source!("scale_bias", "grid"),
    params: Params::FIELDS,
    bindings: &[
        input("x", Elem::Storage, X),
        input("scale", Elem::Storage, "[channels]"),
        input("bias", Elem::Storage, "[channels]"),
        output("dst", Elem::Storage, X),
    ],
    constants: &[],
};

/// Cotangent of `x`.
pub static BACKWARD: Kernel = Kernel {
    name: "scale_bias_bwd",
    source: source!("scale_bias_bwd", "grid"),
    params: Params::FIELDS,
    bindings: &[
        input("scale", Elem::Storage, "[channels]"),
        input("dst_bar", Elem::Storage, X),
        output("x_bar", Elem::Storage, X),
    ],
    constants: &[],
};

/// A scale and a bias per channel of a tensor with fixed extents.
#[derive(Clone, Debug)]
pub struct ScaleBias {
    shape: Vec<usize>,
    at: Rows,
}

impl ScaleBias {
    fn new(shape: &[usize], axis: usize) -> Result<ScaleBias> {
        Ok(ScaleBias { shape: shape.to_vec(), at: rows("scale_bias", "x", shape, axis, Over::Samples)? })
    }

    #[cfg(feature = "gpu")]
    fn params(&self) -> Params {
        let len = self.at.outer * self.at.channels * self.at.inner;
        Params { len: len as u32, channels: self.at.channels as u32, inner: self.at.inner as u32 }
    }
}

impl Op for ScaleBias {
    fn name(&self) -> &'static str {
        "scale_bias"
    }
    fn inputs(&self) -> Vec<Port> {
        let channels = [self.at.channels];
        vec![Port::storage("x", &self.shape), Port::storage("scale", &channels), Port::storage("bias", &channels)]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::storage("dst", &self.shape)]
    }
    fn parameters(&self) -> &'static [&'static str] {
        &["scale", "bias"]
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(inputs[0], inputs[1], inputs[2], &self.at)]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        cpu::backward(inputs[0], inputs[1], cotangents[0], &self.at)
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], dtype: DType) -> Result<Vec<Tensor>> {
        let dst = commands.empty(&self.shape, dtype)?;
        let binds = [read(inputs[0]), read(inputs[1]), read(inputs[2]), write(&dst)];
        let work = Work::invocations(dst.len()).flops(2 * dst.len());
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
        let mut all = vec![None, None, None];
        let Some(g) = cotangents[0] else { return Ok(all) };
        if needs[0] {
            let x_bar = commands.empty(&self.shape, dtype)?;
            let binds = [read(inputs[1]), read(g), write(&x_bar)];
            let work = Work::invocations(g.len()).flops(g.len());
            commands.dispatch(&BACKWARD, dtype, &[], &self.params(), &binds, work)?;
            all[0] = Some(x_bar);
        }
        if needs[1] || needs[2] {
            let factor = if needs[1] { Factor::Plain(inputs[0]) } else { Factor::None };
            let sums = channel_sums(commands, g, factor, &self.at, dtype)?;
            all[1] = if needs[1] { Some(sums.along(commands)?) } else { None };
            all[2] = Some(sums.plain(commands)?);
        }
        Ok(all)
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `x scale[c] + bias[c]`: `scale` and `bias` `[C]`, one per channel along `axis` of `x`, which is not the first.
    ///
    /// # Errors
    /// `Shape`, `DType`; as [`Commands::apply`].
    pub fn scale_bias(&mut self, x: &Tensor, scale: &Tensor, bias: &Tensor, axis: usize) -> Result<Tensor> {
        Ok(self.apply(&ScaleBias::new(x.shape(), axis)?, &[x, scale, bias])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::scale_bias`](crate::Commands::scale_bias), differentiable in all operands; the gradients of
    /// `scale` and `bias` are f32.
    ///
    /// # Errors
    /// As [`Commands::scale_bias`](crate::Commands::scale_bias).
    pub fn scale_bias(&mut self, x: Var, scale: Var, bias: Var, axis: usize) -> Result<Var> {
        let op = ScaleBias::new(&self.spec(x)?.shape, axis)?;
        self.apply_one(op, &[x, scale, bias])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "scale_bias",
    formula: "dst = x scale[c] + bias[c]",
    differentiable: true,
    kernels: &[&FORWARD, &BACKWARD, &super::channel_sums::KERNEL, &super::sum_rows::KERNEL],
    cases,
};

fn cases() -> Vec<Case> {
    let case = |shape: &[usize], axis: usize, label: &str, fill: Fill| {
        let op = ScaleBias::new(shape, axis).ok()?;
        Some(Case::new(format!("{shape:?} axis {axis}{label}"), op, vec![fill; 3]).linear())
    };
    let mut cases: Vec<Case> = [
        (&[0, 3, 2][..], 1),
        (&[2, 3, 0], 1),
        (&[1, 1], 1),
        (&[3, 65], 1),
        (&[2, 5, 7], 2),
        (&[2, 3, 5, 13], 1),
        (&[3, 2, 1025], 1),
    ]
    .into_iter()
    .filter_map(|(shape, axis)| case(shape, axis, "", Fill::Uniform))
    .collect();
    cases.extend(case(&[2, 3, 63], 1, " mixed scales", Fill::Mixed(20)));
    cases.extend(case(&[2, 3, 2], 1, " ladder", Fill::Uniform).map(Case::ladder));
    cases.extend(case(&[16, 64, 32, 32], 1, "", Fill::Uniform).map(Case::bench));
    cases
}
