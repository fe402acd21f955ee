//! A mix of two tensors by a mask over positions.

use super::layout::channels;
use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::{Channels, Real, blend as cpu};
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::DType;
use crate::kernel::{Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Tape, Var};

crate::params! {
    /// Parameters of the elementwise kernels.
    struct Params { len: u32, channels: u32, inner: u32 }
}

crate::params! {
    /// Parameters of the mask's kernel.
    struct ParamsMask { positions: u32, channels: u32, inner: u32 }
}

const FULL: &str = "[outer, channels, inner]";
const MASK: &str = "[outer, inner]";

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "blend",
    source: source!("blend", "grid"),
    params: Params::FIELDS,
    bindings: &[
        input("a", Elem::Storage, FULL),
        input("b", Elem::Storage, FULL),
        input("mask", Elem::F32, MASK),
        output("dst", Elem::Storage, FULL),
    ],
    constants: &[],
};

/// Cotangents of the two tensors.
pub static BACKWARD: Kernel = Kernel {
    name: "blend_bwd",
    source: source!("blend_bwd", "grid"),
    params: Params::FIELDS,
    bindings: &[
        input("mask", Elem::F32, MASK),
        input("dst_bar", Elem::Storage, FULL),
        output("a_bar", Elem::Storage, FULL),
        output("b_bar", Elem::Storage, FULL),
    ],
    constants: &[],
};

/// Cotangent of the mask.
pub static BACKWARD_MASK: Kernel = Kernel {
    name: "blend_bwd_mask",
    source: source!("blend_bwd_mask", "grid"),
    params: ParamsMask::FIELDS,
    bindings: &[
        input("a", Elem::Storage, FULL),
        input("b", Elem::Storage, FULL),
        input("dst_bar", Elem::Storage, FULL),
        output("mask_bar", Elem::F32, MASK),
    ],
    constants: &[],
};

/// A mix with fixed extents.
#[derive(Clone, Debug)]
pub struct Blend {
    shape: Vec<usize>,
    mask: Vec<usize>,
    at: Channels,
}

impl Blend {
    /// A mix of tensors with extents `shape` whose channels lie along `axis`.
    ///
    /// # Errors
    /// `Shape` if `axis` is none of `shape` after the first, `Index` past 32 bits.
    pub fn new(shape: &[usize], axis: usize) -> Result<Blend> {
        let at = channels("blend", shape, axis)?;
        let mut mask = shape.to_vec();
        mask.remove(axis);
        Ok(Blend { shape: shape.to_vec(), mask, at })
    }

    #[cfg(feature = "gpu")]
    fn params(&self, len: usize) -> Params {
        Params { len: len as u32, channels: self.at.channels as u32, inner: self.at.inner as u32 }
    }
}

impl Op for Blend {
    fn name(&self) -> &'static str {
        "blend"
    }
    fn inputs(&self) -> Vec<Port> {
        let (a, b) = (Port::storage("a", &self.shape), Port::storage("b", &self.shape));
        vec![a, b, Port::f32("mask", &self.mask)]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::storage("dst", &self.shape)]
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(inputs[0], inputs[1], inputs[2], &self.at)]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        cpu::backward(inputs[0], inputs[1], inputs[2], cotangents[0], &self.at).into()
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], dtype: DType) -> Result<Vec<Tensor>> {
        let dst = commands.empty(&self.shape, dtype)?;
        let binds = [read(inputs[0]), read(inputs[1]), read(inputs[2]), write(&dst)];
        let work = Work::invocations(dst.len()).flops(4 * dst.len());
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
        let mut all = vec![None, None, None];
        let Some(g) = cotangents[0] else { return Ok(all) };
        if needs[0] || needs[1] {
            let (a_bar, b_bar) = (commands.empty(&self.shape, dtype)?, commands.empty(&self.shape, dtype)?);
            let binds = [read(inputs[2]), read(g), write(&a_bar), write(&b_bar)];
            let work = Work::invocations(g.len()).flops(3 * g.len());
            commands.dispatch(&BACKWARD, dtype, &[], &self.params(g.len()), &binds, work)?;
            all[0] = Some(a_bar);
            all[1] = Some(b_bar);
        }
        if needs[2] {
            let mask_bar = commands.empty(&self.mask, DType::F32)?;
            let [positions, channels, inner] =
                [mask_bar.len(), self.at.channels, self.at.inner].map(|extent| extent as u32);
            let binds = [read(inputs[0]), read(inputs[1]), read(g), write(&mask_bar)];
            let work = Work::invocations(mask_bar.len()).rounds(self.at.channels).flops(3 * g.len());
            commands.dispatch(&BACKWARD_MASK, dtype, &[], &ParamsMask { positions, channels, inner }, &binds, work)?;
            all[2] = Some(mask_bar);
        }
        Ok(all)
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `m a + (1 - m) b`, channels along `axis`: `mask` (f32) has the extents of `a` and `b` without that axis and serves
    /// all channels. It may hold any number, not only 0 and 1.
    ///
    /// # Errors
    /// `Shape`, `DType`; as [`Commands::apply`].
    pub fn blend(&mut self, a: &Tensor, b: &Tensor, mask: &Tensor, axis: usize) -> Result<Tensor> {
        Ok(self.apply(&Blend::new(a.shape(), axis)?, &[a, b, mask])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::blend`](crate::Commands::blend), differentiable in all three.
    ///
    /// # Errors
    /// As [`Commands::blend`](crate::Commands::blend).
    pub fn blend(&mut self, a: Var, b: Var, mask: Var, axis: usize) -> Result<Var> {
        let shape = self.spec(a)?.shape;
        self.apply_one(Blend::new(&shape, axis)?, &[a, b, mask])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "blend",
    formula: "dst = m a + (1 - m) b, m per position",
    differentiable: true,
    kernels: &[&FORWARD, &BACKWARD, &BACKWARD_MASK],
    cases,
};

/// Where the mask is 1 the result is `a`, where it is 0 it is `b`, to the bit.
fn keeps_what_is_chosen(inputs: &[Vec<f64>], outputs: &[Vec<f64>], case: &Case, _: crate::kernel::DType) -> f64 {
    let shape = &case.op.inputs()[0].shape;
    let Ok(at) = channels("blend", shape, 1) else { return f64::NAN };
    let wrong = (0..outputs[0].len()).filter(|e| {
        let chosen = if inputs[2][at.position(*e)] == 1.0 { &inputs[0] } else { &inputs[1] };
        outputs[0][*e] != chosen[*e]
    });
    2.0 * wrong.count() as f64
}

fn cases() -> Vec<Case> {
    let case = |shape: &[usize], axis: usize, label: &str, mask: Fill| {
        let op = Blend::new(shape, axis).ok()?;
        Some(Case::new(format!("{shape:?} axis {axis}{label}"), op, vec![Fill::Uniform, Fill::Uniform, mask]))
    };
    let uniform = || Fill::Between(0.0, 1.0);
    let mut cases: Vec<Case> = [
        case(&[0, 3, 4], 1, "", uniform()),
        case(&[1, 1], 1, "", uniform()),
        case(&[2, 3, 4, 5], 1, "", uniform()),
        case(&[2, 3, 4, 5], 2, "", uniform()),
        case(&[2, 5, 65], 2, "", uniform()),
        case(&[3, 64, 3, 7], 1, "", uniform()),
        case(&[2, 3, 4], 1, ", beyond 0 and 1", Fill::Between(-2.0, 3.0)),
    ]
    .into_iter()
    .flatten()
    .map(Case::linear)
    .collect();
    let chosen = Fill::Values(vec![1.0, 0.0, 0.0]);
    let law = |case: Case| case.law("keeps what is chosen", keeps_what_is_chosen);
    cases.extend(case(&[2, 5, 9, 9], 1, ", zeros and ones", chosen).map(law));
    cases.extend(case(&[2, 2, 3], 1, " ladder", uniform()).map(Case::ladder));
    cases.extend(case(&[64, 128, 16, 16], 1, "", uniform()).map(Case::bench));
    cases
}
