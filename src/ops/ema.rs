//! An exponential moving average of parameters, in place, and the published schedule of its decay.

use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::{Real, ema as cpu};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, update};
use crate::kernel::{DType, Elem, Kernel, Params as _, input, source, update as updated};
use crate::tape::{Array, Backend, Tape, Value};

crate::params! {
    /// Parameters of the kernel.
    struct Params { len: u32, decay: f32, rest: f32 }
}

/// One update.
pub static KERNEL: Kernel = Kernel {
    name: "ema",
    source: source!("ema", "grid"),
    params: Params::FIELDS,
    bindings: &[input("x", Elem::F32, "[len]"), updated("average", Elem::F32, "[len]")],
    constants: &[],
};

pub use crate::cpu::ema::warmup_decay;

/// When an average is updated and with which decay: the schedule of the published training scripts.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct WarmUp {
    /// Up to this step the average is a copy.
    pub start: u32,
    /// Steps between updates, at least 1.
    pub every: u32,
    /// The decay after a long time.
    pub max_decay: f64,
}

impl WarmUp {
    /// An update every 10 steps.
    pub fn new(start: u32, max_decay: f64) -> WarmUp {
        WarmUp { start, every: 10, max_decay }
    }

    /// The decay for [`Commands::ema`](crate::Commands::ema) after the optimiser's step `step` (counted from 1), or `None` for
    /// no update: updates follow the steps 1, 11, 21, …; they copy up to and including the first one past `start`, later
    /// ones take [`warmup_decay`]. Source: the package `ema_pytorch` with its defaults.
    pub fn decay(&self, step: u32) -> Option<f64> {
        let every = self.every.max(1);
        let before = step.checked_sub(1)?;
        if !before.is_multiple_of(every) {
            return None;
        }
        if before <= self.start || before - every <= self.start {
            return Some(0.0);
        }
        Some(warmup_decay(step, self.start, self.max_decay))
    }
}

/// One update of an average with fixed extents.
#[derive(Clone, Debug)]
pub struct Ema {
    shape: Vec<usize>,
    decay: f64,
}

impl Ema {
    /// An update of an average with extents `shape`.
    ///
    /// # Errors
    /// `Param` if `decay` is outside `[0, 1]`.
    pub fn new(shape: &[usize], decay: f64) -> Result<Ema> {
        if !(0.0..=1.0).contains(&decay) {
            return Err(Error::argument(ErrorKind::Param, "ema", "decay", decay, "in [0, 1]"));
        }
        Ok(Ema { shape: shape.to_vec(), decay })
    }

    #[cfg(feature = "gpu")]
    fn record(&self, commands: &mut Commands, average: &Tensor, x: &Tensor) -> Result<()> {
        let len = x.len();
        let params = Params { len: len as u32, decay: self.decay as f32, rest: (1.0 - self.decay) as f32 };
        let work = Work::invocations(len).flops(3 * len);
        commands.dispatch(&KERNEL, DType::F32, &[], &params, &[read(x), update(average)], work)
    }
}

impl Op for Ema {
    fn name(&self) -> &'static str {
        "ema"
    }
    fn inputs(&self) -> Vec<Port> {
        vec![Port::f32("average", &self.shape), Port::f32("x", &self.shape)]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::f32("average", &self.shape)]
    }
    fn dtype(&self) -> Option<DType> {
        Some(DType::F32)
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(inputs[0], inputs[1], self.decay)]
    }
    fn reference_vjp<R: Real>(&self, _: &[&[R]], _: &[&[R]]) -> Vec<Vec<R>> {
        vec![]
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], _: DType) -> Result<Vec<Tensor>> {
        let average = commands.copy(inputs[0])?;
        self.record(commands, &average, inputs[1])?;
        Ok(vec![average])
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
    /// `average = decay average + (1 - decay) x`, in place, both f32 of equal extents.
    ///
    /// # Errors
    /// `Param` if `decay` is outside `[0, 1]`, `Shape`, `DType`, `Aliasing` if the two share a buffer; as
    /// [`Commands::apply`].
    pub fn ema(&mut self, average: &Tensor, x: &Tensor, decay: f64) -> Result<()> {
        let op = Ema::new(average.shape(), decay)?;
        self.admit(&op, &[average, x])?;
        op.record(self, average, x)
    }
}

impl Tape {
    /// `decay average + (1 - decay) x` on values of this tape's backend, outside of what is differentiated. On a device
    /// `average` changes in place and is returned; the reference backend returns a new array.
    ///
    /// # Errors
    /// As [`Commands::ema`](crate::Commands::ema), `Foreign` for a value of the other backend.
    pub fn ema(&mut self, average: &Value, x: &Value, decay: f64) -> Result<Value> {
        let op = Ema::new(&average.spec().shape, decay)?;
        match self.backend() {
            #[cfg(feature = "gpu")]
            Backend::Device(commands) => {
                commands.ema(average.tensor()?, x.tensor()?, decay)?;
                Ok(average.clone())
            }
            Backend::Reference => {
                super::spec::check(&op, &[average.spec(), x.spec()])?;
                let next = cpu::forward(average.array()?.data(), x.array()?.data(), decay);
                Ok(Value::Host(Array::new(next, &op.shape, DType::F32)?))
            }
        }
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "ema",
    formula: "average = decay average + (1 - decay) x",
    differentiable: false,
    kernels: &[&KERNEL],
    cases,
};

fn cases() -> Vec<Case> {
    let case = |shape: &[usize], decay: f64| {
        let op = Ema::new(shape, decay).ok()?;
        Some(Case::new(format!("{shape:?} decay {decay}"), op, vec![Fill::Uniform, Fill::Mixed(20)]))
    };
    let mut cases: Vec<Case> = super::elementwise_sizes()
        .into_iter()
        .filter_map(|(shape, edge)| case(&shape, 0.995).map(|case| if edge { case } else { case.bench() }))
        .collect();
    cases.extend([0.0, 0.5, 1.0].into_iter().filter_map(|decay| case(&[65], decay)));
    cases
}
