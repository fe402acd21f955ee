//! The next state of a fixed-point iteration: a mixture of the last pairs, or a copy where a sample has ended.

use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::solve_judge::coefficients_len;
use crate::cpu::{Real, Window, solve_mix as cpu};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, update, write};
use crate::kernel::{DType, Elem, Kernel, Params as _, input, output, source, update as updated};
use crate::tape::{Array, Backend, Tape, Value};

crate::params! {
    /// Parameters of the kernel.
    struct Params { samples: u32, len: u32, window: u32, filled: u32, rest: f32 }
}

/// One invocation per element.
pub static KERNEL: Kernel = Kernel {
    name: "solve_mix",
    source: source!("solve_mix", "grid"),
    params: Params::FIELDS,
    bindings: &[
        input("y", Elem::F32, "[samples, len]"),
        input("coefficients", Elem::F32, "[samples, window + 3]"),
        input("ring", Elem::F32, "[2, window, samples, len]"),
        updated("kept", Elem::F32, "[2, samples, len]"),
        output("dst", Elem::F32, "[samples, len]"),
    ],
    constants: &[],
};

/// One step of all samples.
#[derive(Clone, Debug)]
pub struct SolveMix {
    at: Window,
    beta: f64,
}

impl SolveMix {
    /// A step that goes `beta` of the way from the mixed states to the mixed values of the map.
    ///
    /// # Errors
    /// `Param` if `beta` is outside (0, 1].
    pub fn new(at: &Window, beta: f64) -> Result<SolveMix> {
        if !(beta > 0.0 && beta <= 1.0) {
            return Err(Error::argument(ErrorKind::Param, "solve_mix", "beta", beta, "in (0, 1]"));
        }
        Ok(SolveMix { at: *at, beta })
    }

    #[cfg(feature = "gpu")]
    fn record(&self, commands: &mut Commands, inputs: [&Tensor; 3], kept: &Tensor) -> Result<Tensor> {
        let [y, coefficients, ring] = inputs;
        let at = &self.at;
        let dst = commands.empty(&[at.samples, at.len], DType::F32)?;
        let params = Params {
            samples: at.samples as u32,
            len: at.len as u32,
            window: at.window as u32,
            filled: at.filled as u32,
            rest: (1.0 - self.beta) as f32,
        };
        let work = Work::invocations(dst.len()).rounds(at.filled).flops(4 * at.filled * dst.len());
        let binds = [read(y), read(coefficients), read(ring), update(kept), write(&dst)];
        commands.dispatch(&KERNEL, DType::F32, &[], &params, &binds, work)?;
        Ok(dst)
    }
}

impl Op for SolveMix {
    fn name(&self) -> &'static str {
        "solve_mix"
    }
    fn inputs(&self) -> Vec<Port> {
        let Window { samples, len, window, .. } = self.at;
        vec![
            Port::f32("y", &[samples, len]),
            Port::f32("coefficients", &[samples, coefficients_len(window)]),
            Port::f32("ring", &[2, window, samples, len]),
            Port::f32("kept", &[2, samples, len]),
        ]
    }
    fn outputs(&self) -> Vec<Port> {
        let Window { samples, len, .. } = self.at;
        vec![Port::f32("kept", &[2, samples, len]), Port::f32("dst", &[samples, len])]
    }
    fn dtype(&self) -> Option<DType> {
        Some(DType::F32)
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        cpu::forward(inputs[0], inputs[1], inputs[2], inputs[3], &self.at, 1.0 - self.beta).into()
    }
    fn reference_vjp<R: Real>(&self, _: &[&[R]], _: &[&[R]]) -> Vec<Vec<R>> {
        vec![]
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], _: DType) -> Result<Vec<Tensor>> {
        let kept = commands.copy(inputs[3])?;
        let dst = self.record(commands, [inputs[0], inputs[1], inputs[2]], &kept)?;
        Ok(vec![kept, dst])
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
    /// The next states of a fixed-point iteration from the `ring` of its last pairs, all f32: mixtures by the
    /// `coefficients` of [`Commands::solve_judge`], `beta` of the way from the states to the map's values. A sample that
    /// has ended is copied. The best states and the anchors in `kept`, `[2, samples, len]`, change in place.
    ///
    /// # Errors
    /// `Param` if `beta` is outside (0, 1], `Shape`, `DType`, `Aliasing`; as [`Commands::apply`].
    pub fn solve_mix(
        &mut self,
        y: &Tensor,
        coefficients: &Tensor,
        ring: &Tensor,
        kept: &Tensor,
        at: &Window,
        beta: f64,
    ) -> Result<Tensor> {
        let op = SolveMix::new(at, beta)?;
        self.admit_shapes(&op, &[y, coefficients, ring, kept])?;
        op.record(self, [y, coefficients, ring], kept)
    }
}

impl Tape {
    /// As [`Commands::solve_mix`](crate::Commands::solve_mix) on values of this tape's backend, outside of what is
    /// differentiated: what is kept, and the next states. On a device `kept` changes in place and is returned; the
    /// reference backend returns a new array.
    ///
    /// # Errors
    /// As [`Commands::solve_mix`](crate::Commands::solve_mix), `Foreign` for a value of the other backend.
    pub fn solve_mix(
        &mut self,
        y: &Value,
        coefficients: &Value,
        ring: &Value,
        kept: &Value,
        at: &Window,
        beta: f64,
    ) -> Result<[Value; 2]> {
        match self.backend() {
            #[cfg(feature = "gpu")]
            Backend::Device(commands) => {
                let (y, coefficients, ring) = (y.tensor()?, coefficients.tensor()?, ring.tensor()?);
                let dst = commands.solve_mix(y, coefficients, ring, kept.tensor()?, at, beta)?;
                Ok([kept.clone(), Value::Device(dst)])
            }
            Backend::Reference => {
                let op = SolveMix::new(at, beta)?;
                super::spec::check(&op, &[y.spec(), coefficients.spec(), ring.spec(), kept.spec()])?;
                let (data, mixed) = (y.array()?.data(), coefficients.array()?.data());
                let (ring, old) = (ring.array()?.data(), kept.array()?.data());
                let [next, dst] = cpu::forward(data, mixed, ring, old, at, 1.0 - beta);
                let next = Array::new(next, &kept.spec().shape, DType::F32)?;
                Ok([next.into(), Array::new(dst, &[at.samples, at.len], DType::F32)?.into()])
            }
        }
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "solve_mix",
    formula: "dst = sum alpha_i (F_i - (1 - beta) G_i) or y; best and anchor of what was seen",
    differentiable: false,
    kernels: &[&KERNEL],
    cases,
};

/// Coefficients of three kinds of samples in turn: running and best, ended, running at an anchor.
fn coefficients(window: usize) -> Fill {
    let row = |flags: [f64; 3]| (0..window).map(|i| 0.75 - 0.4 * i as f64).chain(flags).collect::<Vec<f64>>();
    Fill::Values([row([1.0, 1.0, 0.0]), row([0.0; 3]), row([1.0, 0.0, 1.0])].concat())
}

fn cases() -> Vec<Case> {
    let case = |samples: usize, len: usize, window: usize, iteration: usize, beta: f64, fill: &Fill| {
        let at = Window::new(samples, len, window, iteration);
        let fills = vec![fill.clone(), coefficients(window), fill.clone(), fill.clone()];
        let label = format!("[{samples}, {len}] window {window} iteration {iteration} beta {beta}, {fill:?}");
        Some(Case::new(label, SolveMix::new(&at, beta).ok()?, fills))
    };
    let mut cases = Vec::new();
    for (samples, len) in [(0, 3), (2, 0), (1, 1), (3, 2), (3, 63), (1, 64), (2, 65), (4, 130)] {
        cases.extend(case(samples, len, 1, 0, 1.0, &Fill::Uniform));
        cases.extend(case(samples, len, 5, 3, 0.75, &Fill::Uniform));
    }
    cases.extend(case(3, 40, 8, 20, 1.0, &Fill::Uniform));
    cases.extend(case(3, 40, 2, 5, 0.3, &Fill::Mixed(10)));
    cases.extend(case(4, 1 << 16, 5, 9, 0.9, &Fill::Uniform).map(Case::bench));
    cases
}
