//! Two tensors side by side along an axis.

use super::layout::indexable;
use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::{Real, concat as cpu};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::DType;
use crate::kernel::{Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Tape, Var};

crate::params! {
    /// Parameters of the forward kernel.
    struct Params { len: u32, run_a: u32, run_b: u32 }
}

crate::params! {
    /// Parameters of the backward kernel.
    struct ParamsBwd { len: u32, part: u32, run: u32, offset: u32 }
}

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "concat",
    source: source!("concat", "grid"),
    params: Params::FIELDS,
    bindings: &[
        input("a", Elem::Storage, "[outer, run_a]"),
        input("b", Elem::Storage, "[outer, run_b]"),
        output("dst", Elem::Storage, "[outer, run_a + run_b]"),
    ],
    constants: &[],
};

/// Cotangent of one operand.
pub static BACKWARD: Kernel = Kernel {
    name: "concat_bwd",
    source: source!("concat_bwd", "grid"),
    params: ParamsBwd::FIELDS,
    bindings: &[input("dst_bar", Elem::Storage, "[outer, run]"), output("part_bar", Elem::Storage, "[outer, part]")],
    constants: &[],
};

/// Two tensors of fixed extents along an axis.
#[derive(Clone, Debug)]
pub struct Concat {
    parts: [Vec<usize>; 2],
    dst: Vec<usize>,
    runs: [usize; 2],
}

impl Concat {
    /// Extents `a` and `b` that differ along `axis` alone, which may be the first.
    ///
    /// # Errors
    /// `Shape` if they differ elsewhere or have no such axis, `Index` past 32 bits.
    pub fn new(a: &[usize], b: &[usize], axis: usize) -> Result<Concat> {
        let Some(along) = a.get(axis) else {
            let wanted = format!("an axis of {a:?}");
            return Err(Error::argument(ErrorKind::Shape, "concat", "axis", axis, wanted));
        };
        let fits = a.len() == b.len() && a.iter().zip(b).enumerate().all(|(at, (a, b))| at == axis || a == b);
        if !fits {
            let wanted = format!("{a:?} but for axis {axis}");
            return Err(Error::argument(ErrorKind::Shape, "concat", "b", format!("{b:?}"), wanted));
        }
        let mut dst = a.to_vec();
        dst[axis] = along.saturating_add(b[axis]);
        indexable("concat", &dst)?;
        let inner: usize = a[axis + 1..].iter().product();
        Ok(Concat { parts: [a.to_vec(), b.to_vec()], dst, runs: [along * inner, b[axis] * inner] })
    }
}

impl Op for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }
    fn inputs(&self) -> Vec<Port> {
        vec![Port::storage("a", &self.parts[0]), Port::storage("b", &self.parts[1])]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::storage("dst", &self.dst)]
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(inputs[0], inputs[1], self.runs)]
    }
    fn reference_vjp<R: Real>(&self, _: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        cpu::backward(cotangents[0], self.runs).into()
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], dtype: DType) -> Result<Vec<Tensor>> {
        let dst = commands.empty(&self.dst, dtype)?;
        let [run_a, run_b] = self.runs.map(|run| run as u32);
        let params = Params { len: dst.len() as u32, run_a, run_b };
        let binds = [read(inputs[0]), read(inputs[1]), write(&dst)];
        commands.dispatch(&FORWARD, dtype, &[], &params, &binds, Work::invocations(dst.len()))?;
        Ok(vec![dst])
    }
    #[cfg(feature = "gpu")]
    fn backward(
        &self,
        commands: &mut Commands,
        _: &[&Tensor],
        cotangents: &[Option<&Tensor>],
        needs: &[bool],
        dtype: DType,
    ) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = cotangents[0] else { return Ok(vec![None, None]) };
        let mut all = vec![None, None];
        for part in (0..2).filter(|part| needs[*part]) {
            let bar = commands.empty(&self.parts[part], dtype)?;
            let [len, run] = [bar.len(), self.runs[0] + self.runs[1]].map(|v| v as u32);
            let offset = if part == 0 { 0 } else { self.runs[0] as u32 };
            let params = ParamsBwd { len, part: self.runs[part] as u32, run, offset };
            commands.dispatch(&BACKWARD, dtype, &[], &params, &[read(g), write(&bar)], Work::invocations(bar.len()))?;
            all[part] = Some(bar);
        }
        Ok(all)
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `a`, then `b`, along `axis`, which may be the first; their other extents are equal.
    ///
    /// # Errors
    /// `Shape`, `DType`, `Index`; as [`Commands::apply`].
    pub fn concat(&mut self, a: &Tensor, b: &Tensor, axis: usize) -> Result<Tensor> {
        Ok(self.apply(&Concat::new(a.shape(), b.shape(), axis)?, &[a, b])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::concat`](crate::Commands::concat), differentiable in both.
    ///
    /// # Errors
    /// As [`Commands::concat`](crate::Commands::concat).
    pub fn concat(&mut self, a: Var, b: Var, axis: usize) -> Result<Var> {
        let op = Concat::new(&self.spec(a)?.shape, &self.spec(b)?.shape, axis)?;
        self.apply_one(op, &[a, b])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "concat",
    formula: "dst = [a, b] along an axis",
    differentiable: true,
    kernels: &[&FORWARD, &BACKWARD],
    cases,
};

fn cases() -> Vec<Case> {
    let case = |a: &[usize], b: &[usize], axis: usize, label: &str, fill: Fill| {
        let op = Concat::new(a, b, axis).ok()?;
        Some(Case::new(format!("{a:?} and {b:?} axis {axis}{label}"), op, vec![fill; 2]).linear())
    };
    let plain = |a: &[usize], b: &[usize], axis: usize| case(a, b, axis, "", Fill::Uniform);
    let mut cases: Vec<Case> = [
        plain(&[0, 3], &[0, 2], 1),
        plain(&[2, 0, 3], &[2, 4, 3], 1),
        plain(&[2, 5], &[2, 0], 1),
        plain(&[1], &[1], 0),
        plain(&[5, 3], &[2, 3], 0),
        plain(&[2, 3, 5], &[2, 3, 4], 2),
        plain(&[3, 7, 3, 2], &[3, 1, 3, 2], 1),
        plain(&[2, 63], &[2, 66], 1),
        case(&[2, 33], &[2, 31], 1, " mixed scales", Fill::Mixed(20)),
        case(&[2, 2], &[2, 1], 1, " ladder", Fill::Uniform).map(Case::ladder),
    ]
    .into_iter()
    .flatten()
    .collect();
    cases.extend(plain(&[16, 256, 512], &[16, 256, 256], 2).map(Case::bench));
    cases
}
