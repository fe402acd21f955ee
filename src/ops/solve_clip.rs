//! Samples shortened to a share of another's length: the bound of a truncated adjoint.

use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::{Real, solve_clip as cpu};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::WORKGROUP;
use crate::kernel::{DType, Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Array, Backend, Tape, Value};

crate::params! {
    /// Parameters of the kernel.
    struct Params { samples: u32, len: u32, limit: f32 }
}

const X: &str = "[samples, len]";

/// One workgroup per sample.
pub static KERNEL: Kernel = Kernel {
    name: "solve_clip",
    source: source!("solve_clip", "grid", "reduce"),
    params: Params::FIELDS,
    bindings: &[input("x", Elem::F32, X), input("r", Elem::F32, X), output("dst", Elem::F32, X)],
    constants: &[],
};

/// One shortening of all samples.
#[derive(Clone, Debug)]
pub struct SolveClip {
    samples: usize,
    len: usize,
    limit: f64,
}

impl SolveClip {
    /// A bound of `limit` times the other's length on states of these extents, `[samples, ...]`.
    ///
    /// # Errors
    /// `Param` if `limit` is not a finite number of at least 0; `Shape` without an axis of samples.
    pub fn new(shape: &[usize], limit: f64) -> Result<SolveClip> {
        if !(limit >= 0.0 && limit <= f64::from(f32::MAX)) {
            let wanted = "a finite number of at least 0";
            return Err(Error::argument(ErrorKind::Param, "solve_clip", "limit", limit, wanted));
        }
        match shape {
            [samples, rest @ ..] => Ok(SolveClip { samples: *samples, len: rest.iter().product(), limit }),
            [] => Err(Error::argument(ErrorKind::Shape, "solve_clip", "x", "[]", "[samples, ...]")),
        }
    }
}

impl Op for SolveClip {
    fn name(&self) -> &'static str {
        "solve_clip"
    }
    fn inputs(&self) -> Vec<Port> {
        let shape = [self.samples, self.len];
        vec![Port::f32("x", &shape), Port::f32("r", &shape)]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::f32("dst", &[self.samples, self.len])]
    }
    fn dtype(&self) -> Option<DType> {
        Some(DType::F32)
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(inputs[0], inputs[1], self.len, self.limit)]
    }
    fn reference_vjp<R: Real>(&self, _: &[&[R]], _: &[&[R]]) -> Vec<Vec<R>> {
        vec![]
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], _: DType) -> Result<Vec<Tensor>> {
        let dst = commands.empty(&[self.samples, self.len], DType::F32)?;
        let params = Params { samples: self.samples as u32, len: self.len as u32, limit: self.limit as f32 };
        let rounds = 2 * self.len.div_ceil(WORKGROUP as usize) + 16;
        let work = Work::workgroups(self.samples).rounds(rounds).flops(5 * dst.len());
        commands.dispatch(&KERNEL, DType::F32, &[], &params, &[read(inputs[0]), read(inputs[1]), write(&dst)], work)?;
        Ok(vec![dst])
    }
    #[cfg(feature = "gpu")]
    fn backward(
        &self,
        _: &mut Commands,
        _: &[&Tensor],
        _: &[Option<&Tensor>],
        needs: &[bool],
        _: DType,
    ) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![None; needs.len()])
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `x` with every sample shortened to at most `limit` times the length of that of `r`, both f32 `[samples, ...]`.
    ///
    /// # Errors
    /// `Param` if `limit` is not a finite number of at least 0; `Shape`, `DType`; as [`Commands::apply`].
    pub fn solve_clip(&mut self, x: &Tensor, r: &Tensor, limit: f64) -> Result<Tensor> {
        let op = SolveClip::new(x.shape(), limit)?;
        let flat = [op.samples, op.len];
        let dst = self.apply(&op, &[&x.reshape(&flat)?, &r.reshape(&flat)?])?.remove(0);
        dst.reshape(x.shape())
    }
}

impl Tape {
    /// As [`Commands::solve_clip`](crate::Commands::solve_clip) on values of this tape's backend, outside of what is
    /// differentiated.
    ///
    /// # Errors
    /// As [`Commands::solve_clip`](crate::Commands::solve_clip), `Foreign` for a value of the other backend.
    pub fn solve_clip(&mut self, x: &Value, r: &Value, limit: f64) -> Result<Value> {
        match self.backend() {
            #[cfg(feature = "gpu")]
            Backend::Device(commands) => Ok(Value::Device(commands.solve_clip(x.tensor()?, r.tensor()?, limit)?)),
            Backend::Reference => {
                let (shape, op) = (x.spec().shape, SolveClip::new(&x.spec().shape, limit)?);
                let flat = [op.samples, op.len];
                let (x, r) = (x.reshape(&flat)?, r.reshape(&flat)?);
                super::spec::check(&op, &[x.spec(), r.spec()])?;
                let dst = cpu::forward(x.array()?.data(), r.array()?.data(), op.len, limit);
                Ok(Array::new(dst, &shape, DType::F32)?.into())
            }
        }
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "solve_clip",
    formula: "dst = x min(1, limit |r| / |x|) per sample",
    differentiable: false,
    kernels: &[&KERNEL],
    cases,
};

fn cases() -> Vec<Case> {
    let case = |samples: usize, len: usize, limit: f64, [x, r]: [Fill; 2]| {
        let label = format!("[{samples}, {len}] limit {limit}, {x:?} {r:?}");
        Some(Case::new(label, SolveClip::new(&[samples, len], limit).ok()?, vec![x, r]))
    };
    // Samples of length about 4 and a quarter of that in turn, far from the bound on either side.
    let sizes = |first: f64, second: f64| Fill::Values([[first; 70], [second; 70]].concat());
    let mut cases = Vec::new();
    for (samples, len) in [(0, 3), (2, 0), (1, 1), (3, 2), (3, 63), (1, 64), (2, 65), (2, 2500)] {
        cases.extend(case(samples, len, 0.25, [Fill::Uniform, Fill::Uniform]));
        cases.extend(case(samples, len, 8.0, [Fill::Uniform, Fill::Values(vec![0.75])]));
    }
    cases.extend(case(4, 70, 1.0, [sizes(0.5, 0.125), sizes(0.25, 0.25)]));
    cases.extend(case(3, 40, 0.0, [Fill::Uniform, Fill::Uniform]));
    cases.extend(case(3, 40, 0.5, [Fill::Zero, Fill::Zero]));
    cases.extend(case(3, 40, 1e-3, [Fill::Mixed(10), Fill::Mixed(10)]));
    cases.extend(case(64, 1 << 12, 0.5, [Fill::Uniform, Fill::Uniform]).map(Case::bench));
    cases
}
