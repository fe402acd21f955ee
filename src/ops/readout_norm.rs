//! The norm of the `n` consecutive channels of each group, plus a bias: the readout of oscillators.

#[cfg(feature = "gpu")]
use super::channel_sums::{Factor, channel_sums};
use super::rows::rows;
use super::spec::{Case, Fill, Op, OpSpec, Port};
#[cfg(feature = "gpu")]
use crate::cpu::Rows;
use crate::cpu::{Oscillators, Over, Real, readout_norm as cpu};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::DType;
use crate::kernel::{Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Tape, Var};

crate::params! {
    /// Parameters of the forward kernel.
    struct Params { count: u32, n: u32, inner: u32, channels: u32, has_bias: u32 }
}

crate::params! {
    /// Parameters of the backward kernel.
    struct ParamsBwd { count: u32, n: u32, inner: u32 }
}

const Z: &str = "[outer, channels, n, inner]";
const DST: &str = "[outer, channels, inner]";

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "readout_norm",
    source: source!("readout_norm", "grid", "sphere"),
    params: Params::FIELDS,
    bindings: &[
        input("z", Elem::Storage, Z),
        input("bias", Elem::Storage, "[channels]"),
        output("dst", Elem::Storage, DST),
    ],
    constants: &[],
};

/// Cotangent of `z`.
pub static BACKWARD: Kernel = Kernel {
    name: "readout_norm_bwd",
    source: source!("readout_norm_bwd", "grid", "sphere"),
    params: ParamsBwd::FIELDS,
    bindings: &[input("z", Elem::Storage, Z), input("dst_bar", Elem::Storage, DST), output("z_bar", Elem::Storage, Z)],
    constants: &[],
};

/// A readout with fixed extents.
#[derive(Clone, Debug)]
pub struct ReadoutNorm {
    shape: Vec<usize>,
    axis: usize,
    at: Oscillators,
    has_bias: bool,
}

impl ReadoutNorm {
    fn new(shape: &[usize], axis: usize, n: usize, has_bias: bool) -> Result<ReadoutNorm> {
        let found = rows("readout_norm", "z", shape, axis, Over::Samples)?;
        if n == 0 || found.channels % n != 0 {
            let wanted = format!("a divisor of the {} channels along axis {axis}", found.channels);
            return Err(Error::argument(ErrorKind::Param, "readout_norm", "n", n, wanted));
        }
        let groups = found.channels / n;
        let at = Oscillators { samples: shape[0], groups, outer: found.outer * groups, n, inner: found.inner };
        Ok(ReadoutNorm { shape: shape.to_vec(), axis, at, has_bias })
    }

    fn dst_shape(&self) -> Vec<usize> {
        let mut shape = self.shape.clone();
        shape[self.axis] = self.at.groups;
        shape
    }
}

impl Op for ReadoutNorm {
    fn name(&self) -> &'static str {
        "readout_norm"
    }
    fn inputs(&self) -> Vec<Port> {
        let bias = self.has_bias.then(|| Port::storage("bias", &[self.at.groups]));
        std::iter::once(Port::storage("z", &self.shape)).chain(bias).collect()
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::storage("dst", &self.dst_shape())]
    }
    fn parameters(&self) -> &'static [&'static str] {
        &["bias"]
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(inputs[0], inputs.get(1).copied(), &self.at)]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        cpu::backward(inputs[0], self.has_bias, cotangents[0], &self.at)
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], dtype: DType) -> Result<Vec<Tensor>> {
        let (z, at) = (inputs[0], &self.at);
        let dst = commands.empty(&self.dst_shape(), dtype)?;
        let params = Params {
            count: dst.len() as u32,
            n: at.n as u32,
            inner: at.inner as u32,
            channels: at.groups as u32,
            has_bias: self.has_bias.into(),
        };
        let binds = [read(z), read(inputs.get(1).copied().unwrap_or(z)), write(&dst)];
        let work = Work::invocations(dst.len()).rounds(2 * at.n).flops(4 * z.len());
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
        let mut all = vec![None; inputs.len()];
        let Some(g) = cotangents[0] else { return Ok(all) };
        let at = &self.at;
        if needs[0] {
            let z_bar = commands.empty(&self.shape, dtype)?;
            let params = ParamsBwd { count: g.len() as u32, n: at.n as u32, inner: at.inner as u32 };
            let work = Work::invocations(g.len()).rounds(3 * at.n).flops(6 * z_bar.len());
            commands.dispatch(&BACKWARD, dtype, &[], &params, &[read(inputs[0]), read(g), write(&z_bar)], work)?;
            all[0] = Some(z_bar);
        }
        if self.has_bias && needs[1] {
            let (outer, channels) = (at.outer / at.groups, at.groups);
            let seen = Rows { outer, channels, inner: at.inner, over: Over::Samples };
            all[1] = Some(channel_sums(commands, g, Factor::None, &seen, dtype)?.plain(commands)?);
        }
        Ok(all)
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// The Euclidean norm of every `n` consecutive channels along `axis`, plus `bias` `[C / n]`: `[.., C, ..]` to
    /// `[.., C / n, ..]`. Nothing overflows unless the norm does. Source: AKOrN, equation 6.
    ///
    /// # Errors
    /// `Param` if the channels do not split into groups of `n`, `Shape`, `DType`; as [`Commands::apply`].
    pub fn readout_norm(&mut self, z: &Tensor, bias: Option<&Tensor>, axis: usize, n: usize) -> Result<Tensor> {
        let op = ReadoutNorm::new(z.shape(), axis, n, bias.is_some())?;
        let inputs: Vec<&Tensor> = std::iter::once(z).chain(bias).collect();
        Ok(self.apply(&op, &inputs)?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::readout_norm`](crate::Commands::readout_norm), differentiable in both operands; the gradient of
    /// `z` is 0 where the norm is 0, that of `bias` is f32.
    ///
    /// # Errors
    /// As [`Commands::readout_norm`](crate::Commands::readout_norm).
    pub fn readout_norm(&mut self, z: Var, bias: Option<Var>, axis: usize, n: usize) -> Result<Var> {
        let op = ReadoutNorm::new(&self.spec(z)?.shape, axis, n, bias.is_some())?;
        let inputs: Vec<Var> = std::iter::once(z).chain(bias).collect();
        self.apply_one(op, &inputs)
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "readout_norm",
    formula: "dst[c] = |z[c n .. c n + n - 1]| + bias[c]",
    differentiable: true,
    kernels: &[&FORWARD, &BACKWARD, &super::channel_sums::KERNEL, &super::sum_rows::KERNEL],
    cases,
};

/// Rotating the channels of every group turns nothing but the rounding; here the norm is compared with the longest
/// component: `max |v_k| <= |v| <= sqrt(n) max |v_k|`, up to the rounding of a norm and of its store.
fn between_bounds(inputs: &[Vec<f64>], outputs: &[Vec<f64>], case: &Case, dtype: crate::kernel::DType) -> f64 {
    let Some(at) = case.oscillators else { return f64::NAN };
    let unit = match dtype {
        crate::kernel::DType::F16 => f64::powi(2.0, -10),
        _ => 16.0 * f64::powi(2.0, -23),
    };
    let mut worst = 0.0f64;
    for (i, norm) in outputs[0].iter().enumerate() {
        let largest = at.gather(&inputs[0], i).iter().fold(0.0f64, |m, v| m.max(v.abs()));
        let off = (largest - norm).max(norm - largest * (at.n as f64).sqrt()).max(0.0);
        worst = worst.max(if off == 0.0 { 0.0 } else { off / (unit * largest + f64::powi(2.0, -24)) });
    }
    worst
}

fn cases() -> Vec<Case> {
    let case = |shape: &[usize], axis: usize, n: usize, has_bias: bool, label: &str, fill: Fill| {
        let op = ReadoutNorm::new(shape, axis, n, has_bias).ok()?;
        let at = op.at;
        let mut fills = vec![fill];
        fills.extend(has_bias.then_some(Fill::Uniform));
        let bias = if has_bias { "" } else { " plain" };
        let case = Case::new(format!("{shape:?} axis {axis} n {n}{bias}{label}"), op, fills).oscillators(at);
        Some(if has_bias { case } else { case.law("between its bounds", between_bounds) })
    };
    let mut cases = Vec::new();
    for has_bias in [true, false] {
        let sizes: [(&[usize], usize, usize); 7] = [
            (&[0, 4, 3], 1, 2),
            (&[2, 4, 0], 1, 2),
            (&[1, 1], 1, 1),
            (&[65, 2], 1, 2),
            (&[1, 126, 1], 1, 2),
            (&[2, 5, 9], 2, 3),
            (&[2, 12, 5, 13], 1, 4),
        ];
        cases.extend(sizes.iter().filter_map(|(s, axis, n)| case(s, *axis, *n, has_bias, "", Fill::Uniform)));
        cases.extend(case(&[2, 6, 2], 1, 3, has_bias, " ladder", Fill::Uniform).map(Case::ladder));
    }
    for (label, fill) in [
        (" mixed scales", Fill::Mixed(30)),
        (" extreme scales", Fill::Mixed(120)),
        (" zero", Fill::Zero),
        (" one element", Fill::OneHot),
        (" zeros between", Fill::Values(vec![0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5, -0.25, 3.0])),
    ] {
        cases.extend(case(&[2, 35, 6], 2, 2, false, label, fill.clone()));
        cases.extend(case(&[2, 6, 35], 1, 3, true, label, fill));
    }
    cases.extend(case(&[16, 128, 32, 32], 1, 2, true, "", Fill::Uniform).map(Case::bench));
    cases
}
