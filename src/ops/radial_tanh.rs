//! `phi(z) = tanh(|z|) / |z| z` for every neuron of `k` components: the activation of U(1)- and O(k)-equivariant networks.

use super::layout::vectors;
use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::{Oscillators, Real, radial_tanh as cpu};
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
use crate::kernel::{DType, Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Tape, Var};

crate::params! {
    /// Parameters of both kernels.
    struct Params { count: u32, n: u32, inner: u32, near: f32 }
}

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "radial_tanh",
    source: source!("radial_tanh", "grid", "sphere", "radial"),
    params: Params::FIELDS,
    bindings: &[input("x", Elem::Storage, "[outer, n, inner]"), output("dst", Elem::Storage, "[outer, n, inner]")],
    constants: &[],
};

/// Backward.
pub static BACKWARD: Kernel = Kernel {
    name: "radial_tanh_bwd",
    source: source!("radial_tanh_bwd", "grid", "sphere", "radial"),
    params: Params::FIELDS,
    bindings: &[
        input("x", Elem::Storage, "[outer, n, inner]"),
        input("dst_bar", Elem::Storage, "[outer, n, inner]"),
        output("x_bar", Elem::Storage, "[outer, n, inner]"),
    ],
    constants: &[],
};

/// The activation of every neuron of a tensor.
#[derive(Clone, Debug)]
pub struct RadialTanh {
    shape: Vec<usize>,
    at: Oscillators,
}

impl RadialTanh {
    /// Neurons of `k` consecutive components along `axis` of a tensor with extents `shape`; with `k = 1` it is `tanh`.
    ///
    /// # Errors
    /// `Param` if `k` is 0, `Shape` if the channels do not split into neurons, `Index`.
    pub fn new(shape: &[usize], axis: usize, k: usize) -> Result<RadialTanh> {
        Ok(RadialTanh { shape: shape.to_vec(), at: vectors("radial_tanh", shape, axis, k)? })
    }

    #[cfg(feature = "gpu")]
    fn params(&self) -> Params {
        let Oscillators { n, inner, .. } = self.at;
        Params { count: self.at.count() as u32, n: n as u32, inner: inner as u32, near: cpu::near(n) }
    }
}

impl Op for RadialTanh {
    fn name(&self) -> &'static str {
        "radial_tanh"
    }
    fn inputs(&self) -> Vec<Port> {
        vec![Port::storage("x", &self.shape)]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::storage("dst", &self.shape)]
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(inputs[0], &self.at)]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::backward(inputs[0], cotangents[0], &self.at)]
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], dtype: DType) -> Result<Vec<Tensor>> {
        let x = inputs[0];
        let dst = commands.empty(x.shape(), dtype)?;
        let work = Work::invocations(self.at.count()).rounds(3 * self.at.n).flops(5 * x.len() + 30 * self.at.count());
        commands.dispatch(&FORWARD, dtype, &[], &self.params(), &[read(x), write(&dst)], work)?;
        Ok(vec![dst])
    }
    #[cfg(feature = "gpu")]
    fn backward(
        &self,
        commands: &mut Commands,
        inputs: &[&Tensor],
        cotangents: &[Option<&Tensor>],
        _: &[bool],
        dtype: DType,
    ) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = cotangents[0] else { return Ok(vec![None]) };
        let x = inputs[0];
        let x_bar = commands.empty(x.shape(), dtype)?;
        let work = Work::invocations(self.at.count()).rounds(4 * self.at.n).flops(12 * x.len() + 50 * self.at.count());
        commands.dispatch(&BACKWARD, dtype, &[], &self.params(), &[read(x), read(g), write(&x_bar)], work)?;
        Ok(vec![Some(x_bar)])
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `tanh(|z|) / |z| z` for neurons `z` of `k` consecutive components along `axis`, as long as `x` itself near 0 and
    /// never longer than 1 (arXiv 2605.14685). It commutes with every rotation of a neuron.
    ///
    /// # Errors
    /// `Param` if `k` is 0, `Shape` if the channels do not split into neurons; as [`Commands::apply`].
    pub fn radial_tanh(&mut self, x: &Tensor, axis: usize, k: usize) -> Result<Tensor> {
        Ok(self.apply(&RadialTanh::new(x.shape(), axis, k)?, &[x])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::radial_tanh`](crate::Commands::radial_tanh), differentiable everywhere, also at 0.
    ///
    /// # Errors
    /// `Param` if `k` is 0, `Shape` if the channels do not split into neurons; as [`Tape::apply`].
    pub fn radial_tanh(&mut self, x: Var, axis: usize, k: usize) -> Result<Var> {
        let op = RadialTanh::new(&self.spec(x)?.shape, axis, k)?;
        self.apply_one(op, &[x])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "radial_tanh",
    formula: "dst = tanh(|x|) / |x| x",
    differentiable: true,
    kernels: &[&FORWARD, &BACKWARD],
    cases,
};

/// No neuron comes out longer than 1 or longer than it went in, and none turns: the distance from its place on the ray
/// through the input, to eight roundings of the length and the store of each component.
fn short_and_straight(inputs: &[Vec<f64>], outputs: &[Vec<f64>], case: &Case, dtype: DType) -> f64 {
    let Some(at) = case.oscillators else { return f64::NAN };
    let (relative, floor) = match dtype {
        DType::F16 => (f64::powi(2.0, -10), f64::powi(2.0, -14)),
        _ => (8.0 * f64::powi(2.0, -23), f64::powi(2.0, -126)),
    };
    let length = |v: &[f64]| {
        let m = v.iter().fold(0.0f64, |m, x| m.max(x.abs()));
        if m == 0.0 { 0.0 } else { m * v.iter().map(|x| (x / m).powi(2)).sum::<f64>().sqrt() }
    };
    (0..at.count()).fold(0.0, |worst: f64, i| {
        let (x, y) = (at.gather(&inputs[0], i), at.gather(&outputs[0], i));
        let (r, s) = (length(&x), length(&y));
        let allowed = relative * s + floor * (at.n as f64).sqrt();
        let excess = (s - r.min(1.0)).max(0.0);
        let off: Vec<f64> = x.iter().zip(&y).map(|(x, y)| if r == 0.0 { *y } else { y - x / r * s }).collect();
        let ratio = excess.max(length(&off)) / allowed;
        if ratio.is_nan() || ratio > worst { ratio } else { worst }
    })
}

fn cases() -> Vec<Case> {
    let case = |shape: &[usize], axis: usize, k: usize, label: &str, fill: Fill| {
        let op = RadialTanh::new(shape, axis, k).ok()?;
        let at = op.at;
        let case = Case::new(format!("{shape:?} axis {axis} k {k}{label}"), op, vec![fill]);
        Some(case.oscillators(at).law("short and straight", short_and_straight))
    };
    let wide = || Fill::Between(-3.0, 3.0);
    let sizes: [(&[usize], usize, usize); 9] = [
        (&[0, 4, 3], 1, 2),
        (&[1, 1], 1, 1),
        (&[1, 2, 1, 1], 1, 2),
        (&[65, 3], 1, 3),
        (&[63, 4], 1, 4),
        (&[2, 6, 3, 5], 1, 3),
        (&[2, 7, 16], 2, 8),
        (&[1, 66, 3], 1, 33),
        (&[127, 5], 1, 1),
    ];
    let mut cases: Vec<Case> = sizes.iter().filter_map(|(s, axis, k)| case(s, *axis, *k, "", wide())).collect();
    // Where the series ends (0.2 / sqrt(2) = 0.1414), where tanh saturates, and what f16 stores at most.
    let steps = vec![0.0, -0.0, 0.1414, -0.1414, 0.1415, 0.05, -0.14, 6e-8, 8.7, -9.1, 20.0, 51.0, -3e4, 65504.0];
    for (label, fill) in [
        (" near the series' end", Fill::Between(-0.25, 0.25)),
        (" small", Fill::Between(-1e-3, 1e-3)),
        (" large", Fill::Between(-60.0, 60.0)),
        (" mixed scales", Fill::Mixed(30)),
        (" extreme scales", Fill::Mixed(120)),
        (" zero", Fill::Zero),
        (" one nonzero", Fill::OneHot),
        (" special numbers", Fill::Values(steps)),
    ] {
        cases.extend(case(&[7, 22], 1, 2, label, fill));
    }
    cases.extend(case(&[2, 6], 1, 3, " ladder", Fill::Between(-1.5, 1.5)).map(Case::ladder));
    cases.extend(case(&[2, 4], 1, 2, " ladder of the series", Fill::Between(-0.1, 0.1)).map(Case::ladder));
    cases.extend(case(&[256, 64], 1, 2, "", wide()).map(Case::bench));
    cases.extend(case(&[16, 64, 32, 32], 1, 4, "", wide()).map(Case::bench));
    cases
}
