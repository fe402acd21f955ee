//! Normalisation of queries and keys, head by head, by the root of the mean square.

use super::layout::indexable;
use super::rows::positive;
use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::Real;
use crate::cpu::norm_heads::{self as cpu, Heads};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::DType;
use crate::kernel::{Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Tape, Var};

crate::params! {
    /// Parameters of both kernels.
    struct Params { rows: u32, heads: u32, normed: u32, dim: u32, share: f32, eps: f32 }
}

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "norm_heads",
    source: source!("norm_heads", "grid"),
    params: Params::FIELDS,
    bindings: &[input("x", Elem::Storage, "[rows, dim]"), output("dst", Elem::Storage, "[rows, dim]")],
    constants: &[],
};

/// Backward.
pub static BACKWARD: Kernel = Kernel {
    name: "norm_heads_bwd",
    source: source!("norm_heads_bwd", "grid"),
    params: Params::FIELDS,
    bindings: &[
        input("x", Elem::Storage, "[rows, dim]"),
        input("dst_bar", Elem::Storage, "[rows, dim]"),
        output("x_bar", Elem::Storage, "[rows, dim]"),
    ],
    constants: &[],
};

/// A normalisation of heads with fixed extents.
#[derive(Clone, Debug)]
pub struct NormHeads {
    shape: Vec<usize>,
    at: Heads,
    eps: f32,
}

impl NormHeads {
    /// The last axis of `shape` holds `heads` heads of consecutive channels; the first `normed` are normalised.
    ///
    /// # Errors
    /// `Shape` if the heads do not divide the last axis, `Param` if more are normalised than there are or if `eps` is not
    /// positive, `Index` past 32 bits.
    pub fn new(shape: &[usize], heads: usize, normed: usize, eps: f32) -> Result<NormHeads> {
        positive("norm_heads", eps)?;
        if normed > heads {
            let wanted = format!("at most the {heads} heads");
            return Err(Error::argument(ErrorKind::Param, "norm_heads", "normed", normed, wanted));
        }
        let channels = shape.last().copied().unwrap_or(0);
        if heads == 0 || channels == 0 || channels % heads != 0 {
            let wanted = format!("a last axis of {heads} equal heads");
            return Err(Error::argument(ErrorKind::Shape, "norm_heads", "x", format!("{shape:?}"), wanted));
        }
        indexable("norm_heads", shape)?;
        let dim = channels / heads;
        let rows = shape.iter().product::<usize>() / dim;
        Ok(NormHeads { shape: shape.to_vec(), at: Heads { rows, heads, normed, dim }, eps })
    }

    #[cfg(feature = "gpu")]
    fn params(&self) -> Params {
        let [rows, heads, normed, dim] = [self.at.rows, self.at.heads, self.at.normed, self.at.dim].map(|v| v as u32);
        Params { rows, heads, normed, dim, share: (1.0 / self.at.dim as f64) as f32, eps: self.eps }
    }

    #[cfg(feature = "gpu")]
    fn work(&self, loops: usize) -> Work {
        Work::invocations(self.at.rows).rounds(loops * self.at.dim)
    }
}

impl Op for NormHeads {
    fn name(&self) -> &'static str {
        "norm_heads"
    }
    fn inputs(&self) -> Vec<Port> {
        vec![Port::storage("x", &self.shape)]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::storage("dst", &self.shape)]
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(inputs[0], &self.at, self.eps.into())]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::backward(inputs[0], cotangents[0], &self.at, self.eps.into())]
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], dtype: DType) -> Result<Vec<Tensor>> {
        let dst = commands.empty(&self.shape, dtype)?;
        let work = self.work(2).flops(4 * dst.len());
        commands.dispatch(&FORWARD, dtype, &[], &self.params(), &[read(inputs[0]), write(&dst)], work)?;
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
        let x_bar = commands.empty(&self.shape, dtype)?;
        let work = self.work(3).flops(9 * g.len());
        let binds = [read(inputs[0]), read(g), write(&x_bar)];
        commands.dispatch(&BACKWARD, dtype, &[], &self.params(), &binds, work)?;
        Ok(vec![Some(x_bar)])
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `x / sqrt(mean x^2 + eps)` in the first `normed` of `heads` heads of consecutive channels along the last axis of
    /// `x`, the mean over one head; the others stay. Of q, k and v in one tensor, `normed = 2 / 3 heads` takes q and k.
    ///
    /// # Errors
    /// `Param`, `Shape`, `DType`; as [`Commands::apply`].
    pub fn norm_heads(&mut self, x: &Tensor, heads: usize, normed: usize, eps: f32) -> Result<Tensor> {
        Ok(self.apply(&NormHeads::new(x.shape(), heads, normed, eps)?, &[x])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::norm_heads`](crate::Commands::norm_heads), differentiable.
    ///
    /// # Errors
    /// As [`Commands::norm_heads`](crate::Commands::norm_heads).
    pub fn norm_heads(&mut self, x: Var, heads: usize, normed: usize, eps: f32) -> Result<Var> {
        let op = NormHeads::new(&self.spec(x)?.shape, heads, normed, eps)?;
        self.apply_one(op, &[x])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "norm_heads",
    formula: "dst = x / sqrt(mean x^2 + eps) per head, for some heads",
    differentiable: true,
    kernels: &[&FORWARD, &BACKWARD],
    cases,
};

fn cases() -> Vec<Case> {
    let case = |shape: &[usize], [heads, normed]: [usize; 2], label: &str, eps: f32, fill: Fill| {
        let op = NormHeads::new(shape, heads, normed, eps).ok()?;
        Some(Case::new(format!("{shape:?} {normed} of {heads} heads{label}"), op, vec![fill]))
    };
    let plain = |shape: &[usize], heads: [usize; 2]| case(shape, heads, "", 1e-5, Fill::Uniform);
    let mut cases: Vec<Case> = [
        plain(&[0, 6], [3, 2]),
        plain(&[1, 1], [1, 1]),
        plain(&[5, 3], [3, 2]),
        plain(&[2, 7, 36], [6, 4]),
        plain(&[65, 12], [2, 0]),
        plain(&[3, 2, 70], [2, 2]),
        plain(&[2, 390], [3, 1]),
        case(&[3, 66], [6, 4], " mixed scales", 1e-5, Fill::Mixed(20)),
        case(&[3, 66], [6, 4], " zero", 1e-5, Fill::Zero),
        case(&[3, 66], [6, 4], " one channel", 1e-5, Fill::OneHot),
        case(&[2, 9], [3, 2], " ladder", 1e-2, Fill::Uniform).map(Case::ladder),
    ]
    .into_iter()
    .flatten()
    .collect();
    cases.extend(plain(&[16, 256, 768], [24, 16]).map(Case::bench));
    cases
}
