//! A residual branch behind a gate per channel: `dst = x + limit s(raw[c]) y`.

#[cfg(feature = "gpu")]
use super::channel_sums::{Factor, channel_sums};
use super::rows::rows;
use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::{Over, Real, Rows, layer_scale as cpu};
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::DType;
use crate::kernel::{Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Tape, Var};

crate::params! {
    /// Parameters of the kernels over elements.
    struct Params { len: u32, channels: u32, inner: u32, limit: f32 }
}

crate::params! {
    /// Parameters of the gates' kernel.
    struct ParamsRaw { channels: u32, limit: f32 }
}

const X: &str = "[outer, channels, inner]";

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "layer_scale",
    source: source!("layer_scale", "grid", "silu"),
    params: Params::FIELDS,
    bindings: &[
        input("x", Elem::Storage, X),
        input("y", Elem::Storage, X),
        input("raw", Elem::Storage, "[channels]"),
        output("dst", Elem::Storage, X),
    ],
    constants: &[],
};

/// Cotangent of `y`; that of `x` is the output's.
pub static BACKWARD: Kernel = Kernel {
    name: "layer_scale_bwd",
    source: source!("layer_scale_bwd", "grid", "silu"),
    params: Params::FIELDS,
    bindings: &[
        input("raw", Elem::Storage, "[channels]"),
        input("dst_bar", Elem::Storage, X),
        output("y_bar", Elem::Storage, X),
    ],
    constants: &[],
};

/// Cotangent of the gates, from sums.
pub static BACKWARD_RAW: Kernel = Kernel {
    name: "layer_scale_bwd_raw",
    source: source!("layer_scale_bwd_raw", "grid", "silu"),
    params: ParamsRaw::FIELDS,
    bindings: &[
        input("raw", Elem::Storage, "[channels]"),
        input("sums", Elem::F32, "[channels]"),
        output("raw_bar", Elem::F32, "[channels]"),
    ],
    constants: &[],
};

/// A gated residual branch with fixed extents.
#[derive(Clone, Debug)]
pub struct LayerScale {
    shape: Vec<usize>,
    at: Rows,
    limit: f32,
}

impl LayerScale {
    fn new(shape: &[usize], axis: usize, limit: f32) -> Result<LayerScale> {
        super::finite("layer_scale", "limit", limit)?;
        Ok(LayerScale { shape: shape.to_vec(), at: rows("layer_scale", "x", shape, axis, Over::Samples)?, limit })
    }

    #[cfg(feature = "gpu")]
    fn params(&self, len: usize) -> Params {
        let [len, channels, inner] = [len, self.at.channels, self.at.inner].map(|v| v as u32);
        Params { len, channels, inner, limit: self.limit }
    }
}

impl Op for LayerScale {
    fn name(&self) -> &'static str {
        "layer_scale"
    }
    fn inputs(&self) -> Vec<Port> {
        let raw = Port::storage("raw", &[self.at.channels]);
        vec![Port::storage("x", &self.shape), Port::storage("y", &self.shape), raw]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::storage("dst", &self.shape)]
    }
    fn parameters(&self) -> &'static [&'static str] {
        &["raw"]
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(inputs[0], inputs[1], inputs[2], &self.at, self.limit)]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        cpu::backward(inputs[1], inputs[2], cotangents[0], &self.at, self.limit)
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], dtype: DType) -> Result<Vec<Tensor>> {
        let dst = commands.empty(&self.shape, dtype)?;
        let binds = [read(inputs[0]), read(inputs[1]), read(inputs[2]), write(&dst)];
        let work = Work::invocations(dst.len()).flops(8 * dst.len());
        commands.dispatch(&FORWARD, dtype, &[], &self.params(dst.len()), &binds, work)?;
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
        let Some(g) = cotangents[0] else { return Ok(vec![None, None, None]) };
        let mut all = vec![Some(g.clone()), None, None];
        let raw = inputs[2];
        if needs[1] {
            let y_bar = commands.empty(&self.shape, dtype)?;
            let binds = [read(raw), read(g), write(&y_bar)];
            let work = Work::invocations(g.len()).flops(7 * g.len());
            commands.dispatch(&BACKWARD, dtype, &[], &self.params(g.len()), &binds, work)?;
            all[1] = Some(y_bar);
        }
        if needs[2] {
            let channels = self.at.channels;
            let sums = channel_sums(commands, g, Factor::Plain(inputs[1]), &self.at, dtype)?.along(commands)?;
            let raw_bar = commands.empty(&[channels], DType::F32)?;
            let params = ParamsRaw { channels: channels as u32, limit: self.limit };
            let binds = [read(raw), read(&sums), write(&raw_bar)];
            let work = Work::invocations(channels).flops(8 * channels);
            commands.dispatch(&BACKWARD_RAW, dtype, &[], &params, &binds, work)?;
            all[2] = Some(raw_bar);
        }
        Ok(all)
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `x + limit s(raw[c]) y` with the logistic function `s`: a residual branch `y` behind a gate between 0 and `limit`.
    /// `raw` `[C]`, one for each channel along `axis`, which is not the first.
    ///
    /// # Errors
    /// `Param` if `limit` is not finite, `Shape`, `DType`; as [`Commands::apply`].
    pub fn layer_scale(&mut self, x: &Tensor, y: &Tensor, raw: &Tensor, axis: usize, limit: f32) -> Result<Tensor> {
        Ok(self.apply(&LayerScale::new(x.shape(), axis, limit)?, &[x, y, raw])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::layer_scale`](crate::Commands::layer_scale), differentiable in `x`, `y` and `raw`, whose gradient is
    /// f32.
    ///
    /// # Errors
    /// As [`Commands::layer_scale`](crate::Commands::layer_scale).
    pub fn layer_scale(&mut self, x: Var, y: Var, raw: Var, axis: usize, limit: f32) -> Result<Var> {
        let op = LayerScale::new(&self.spec(x)?.shape, axis, limit)?;
        self.apply_one(op, &[x, y, raw])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "layer_scale",
    formula: "dst = x + limit y / (1 + exp(-raw[c]))",
    differentiable: true,
    kernels: &[&FORWARD, &BACKWARD, &BACKWARD_RAW, &super::channel_sums::KERNEL, &super::sum_rows::KERNEL],
    cases,
};

fn cases() -> Vec<Case> {
    let case = |shape: &[usize], axis: usize, label: &str, fill: Fill, raw: Fill| {
        let op = LayerScale::new(shape, axis, 0.75).ok()?;
        Some(Case::new(format!("{shape:?} axis {axis}{label}"), op, vec![fill.clone(), fill, raw]))
    };
    let wide = || Fill::Between(-4.0, 4.0);
    let plain = |shape: &[usize], axis: usize| case(shape, axis, "", Fill::Uniform, wide());
    let mut cases: Vec<Case> = [
        plain(&[0, 3, 2], 1),
        plain(&[2, 3, 0], 1),
        plain(&[1, 1], 1),
        plain(&[3, 65], 1),
        plain(&[2, 5, 7], 2),
        plain(&[2, 3, 5, 13], 1),
        plain(&[3, 2, 1025], 1),
        case(&[2, 3, 63], 1, " mixed scales", Fill::Mixed(20), Fill::Mixed(6)),
        case(&[2, 20, 3], 1, " closed and open", Fill::Uniform, Fill::Between(-90.0, 90.0)),
        case(&[2, 3, 2], 1, " ladder", Fill::Uniform, wide()).map(Case::ladder),
    ]
    .into_iter()
    .flatten()
    .collect();
    cases.extend(plain(&[16, 256, 256], 2).map(Case::bench));
    cases
}
