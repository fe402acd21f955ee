//! Counter-based noise: the same numbers on every device and for every split of a batch.

use super::spec::{Case, Op, OpSpec, Port};
use crate::cpu::Real;
use crate::cpu::noise as cpu;
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, write};
use crate::kernel::{DType, Elem, Kernel, Params as _, output, source};
use crate::tape::{Tape, Var};

pub use crate::cpu::noise::{Distribution, Stream};

crate::params! {
    /// Parameters of both kernels.
    struct Params {
        samples: u32, run: u32, seed_low: u32, seed_high: u32, first_sample: u32, step: u32, stream: u32,
        distribution: u32,
    }
}

/// Uniform and Gaussian numbers.
pub static NOISE: Kernel = Kernel {
    name: "noise",
    source: source!("noise", "grid", "philox", "sincos", "gaussian"),
    params: Params::FIELDS,
    bindings: &[output("dst", Elem::Storage, "[samples, run]")],
    constants: &[],
};

/// The integers behind them.
pub static BITS: Kernel = Kernel {
    name: "noise_bits",
    source: source!("noise_bits", "grid", "philox"),
    params: Params::FIELDS,
    bindings: &[output("dst", Elem::U32, "[samples, run]")],
    constants: &[],
};

/// Noise with fixed extents; the first axis counts samples.
#[derive(Clone, Debug)]
pub struct Noise {
    shape: Vec<usize>,
    dtype: DType,
    stream: Stream,
    distribution: Distribution,
}

fn extents(shape: &[usize]) -> Result<(usize, usize)> {
    match shape {
        [samples, rest @ ..] => Ok((*samples, rest.iter().product())),
        [] => Err(Error::argument(ErrorKind::Shape, "noise", "shape", "[]", "a first axis of samples")),
    }
}

impl Noise {
    fn new(shape: &[usize], dtype: DType, stream: Stream, distribution: Distribution) -> Result<Noise> {
        extents(shape)?;
        Ok(Noise { shape: shape.to_vec(), dtype, stream, distribution })
    }
}

#[cfg(feature = "gpu")]
fn params(shape: &[usize], s: &Stream, distribution: u32) -> Result<Params> {
    let (samples, run) = extents(shape)?;
    Ok(Params {
        samples: samples as u32,
        run: run as u32,
        seed_low: s.seed as u32,
        seed_high: (s.seed >> 32) as u32,
        first_sample: s.first_sample,
        step: s.step,
        stream: s.stream,
        distribution,
    })
}

impl Op for Noise {
    fn name(&self) -> &'static str {
        "noise"
    }
    fn inputs(&self) -> Vec<Port> {
        vec![]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::storage("dst", &self.shape)]
    }
    fn dtype(&self) -> Option<DType> {
        Some(self.dtype)
    }
    fn reference<R: Real>(&self, _: &[&[R]]) -> Vec<Vec<R>> {
        let run = self.shape[1..].iter().product();
        vec![cpu::forward(&self.stream, self.distribution, self.shape[0], run)]
    }
    fn reference_vjp<R: Real>(&self, _: &[&[R]], _: &[&[R]]) -> Vec<Vec<R>> {
        vec![]
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, _: &[&Tensor], dtype: DType) -> Result<Vec<Tensor>> {
        let dst = commands.empty(&self.shape, dtype)?;
        let distribution = match self.distribution {
            Distribution::Uniform => 0,
            Distribution::Gaussian => 1,
        };
        let params = params(&self.shape, &self.stream, distribution)?;
        commands.dispatch(&NOISE, dtype, &[], &params, &[write(&dst)], Work::invocations(dst.len()))?;
        Ok(vec![dst])
    }
    #[cfg(feature = "gpu")]
    fn backward(
        &self,
        _: &mut Commands,
        _: &[&Tensor],
        _: &[Option<&Tensor>],
        _: &[bool],
        _: DType,
    ) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![])
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// Independent draws. The first axis counts samples: sample `b` depends on `stream.first_sample + b`, never on the
    /// size of the batch. Points uniform on the sphere are [`Commands::sphere_normalize`] of Gaussians.
    ///
    /// # Errors
    /// `Shape` for no axis, `DType` for integers; as [`Commands::apply`].
    pub fn noise(
        &mut self,
        stream: Stream,
        distribution: Distribution,
        shape: &[usize],
        dtype: DType,
    ) -> Result<Tensor> {
        Ok(self.apply(&Noise::new(shape, dtype, stream, distribution)?, &[])?.remove(0))
    }

    /// The integers behind [`Commands::noise`], bit-equal on every device.
    ///
    /// # Errors
    /// `Shape` for no axis; as [`Commands::dispatch`].
    pub fn noise_bits(&mut self, stream: Stream, shape: &[usize]) -> Result<Tensor> {
        let params = params(shape, &stream, 0)?;
        let dst = self.empty(shape, DType::U32)?;
        self.dispatch(&BITS, DType::F32, &[], &params, &[write(&dst)], Work::invocations(dst.len()))?;
        Ok(dst)
    }
}

impl Tape {
    /// As [`Commands::noise`](crate::Commands::noise); a constant.
    ///
    /// # Errors
    /// `Shape` for no axis, `DType` for integers; as [`Tape::apply`].
    pub fn noise(&mut self, stream: Stream, distribution: Distribution, shape: &[usize], dtype: DType) -> Result<Var> {
        self.apply_one(Noise::new(shape, dtype, stream, distribution)?, &[])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "noise",
    formula: "dst = uniform or normal from Philox(seed; e / 4, sample, step, stream)",
    differentiable: false,
    kernels: &[&NOISE, &BITS],
    cases,
};

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let stream = Stream { seed: 0x0123_4567_89AB_CDEF, first_sample: u32::MAX, step: 3, stream: 1 };
    for dtype in [DType::F32, DType::F16] {
        for distribution in [Distribution::Uniform, Distribution::Gaussian] {
            for shape in [&[0, 3][..], &[1, 1], &[2, 5], &[3, 7, 11], &[2, 4097]] {
                let op = Noise { shape: shape.to_vec(), dtype, stream, distribution };
                cases.push(Case::new(format!("{shape:?} {distribution:?}"), op, vec![]));
            }
            let op = Noise { shape: vec![16, 65536], dtype, stream, distribution };
            cases.push(Case::new(format!("[16, 65536] {distribution:?}"), op, vec![]).bench());
        }
    }
    cases
}
