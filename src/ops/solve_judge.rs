//! Whether each sample of a fixed-point iteration goes on, and the coefficients of its next state.

use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::solve_judge::{self as cpu, BEST, Judgement, MOST, SLOTS, coefficients_len, record_len};
use crate::cpu::solve_residual::SUMS;
use crate::cpu::{Real, Window};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, update, write};
use crate::kernel::{DType, Elem, Kernel, Params as _, input, output, source, update as updated};
use crate::tape::{Array, Backend, Tape, Value};

crate::params! {
    /// Parameters of the kernel.
    struct Params {
        samples: u32, window: u32, filled: u32, slot: u32, iteration: u32, least: u32, last: u32, memoryless: u32, patience: u32, to_first: u32, secant: u32, tolerance: f32, floor: f32, divergence: f32, relative: f32, absolute: f32,
    }
}

/// One invocation per sample.
pub static KERNEL: Kernel = Kernel {
    name: "solve_judge",
    source: source!("solve_judge", "grid"),
    params: Params::FIELDS,
    bindings: &[
        input("sums", Elem::F32, "[samples, 4 + window]"),
        updated("record", Elem::F32, "[samples, 73 + window * window]"),
        output("coefficients", Elem::F32, "[samples, window + 3]"),
    ],
    constants: &[],
};

/// One judgement of all samples.
#[derive(Clone, Debug)]
pub struct SolveJudge {
    at: Window,
    judgement: Judgement,
}

impl SolveJudge {
    /// The judgement of an iteration.
    ///
    /// # Errors
    /// `Param` if the window has more than 8 slots, or 32 of a secant method.
    pub fn new(at: &Window, judgement: &Judgement) -> Result<SolveJudge> {
        let most = if judgement.secant { SLOTS } else { MOST };
        if at.window > most {
            let wanted = format!("at most {most} slots");
            return Err(Error::argument(ErrorKind::Param, "solve_judge", "window", at.window, wanted));
        }
        Ok(SolveJudge { at: *at, judgement: *judgement })
    }

    #[cfg(feature = "gpu")]
    fn record(&self, commands: &mut Commands, sums: &Tensor, record: &Tensor) -> Result<Tensor> {
        let (at, j) = (&self.at, &self.judgement);
        let coefficients = commands.empty(&[at.samples, coefficients_len(at.window)], DType::F32)?;
        let params = Params {
            samples: at.samples as u32,
            window: at.window as u32,
            filled: at.filled as u32,
            slot: at.slot as u32,
            iteration: j.iteration as u32,
            least: j.least as u32,
            last: j.last as u32,
            memoryless: j.memoryless.into(),
            patience: j.patience as u32,
            to_first: j.to_first.into(),
            secant: j.secant.into(),
            tolerance: j.tolerance as f32,
            floor: j.floor as f32,
            divergence: j.divergence as f32,
            relative: j.relative as f32,
            absolute: j.absolute as f32,
        };
        let n = at.filled;
        // Cholesky's factors, or two passes over the matrix.
        let cubes = if j.secant { 0 } else { n * n * n };
        let work = Work::invocations(at.samples).rounds(cubes + 3 * n * n + 32).flops(at.samples * (cubes + 9 * n * n));
        let binds = [read(sums), update(record), write(&coefficients)];
        commands.dispatch(&KERNEL, DType::F32, &[], &params, &binds, work)?;
        Ok(coefficients)
    }
}

impl Op for SolveJudge {
    fn name(&self) -> &'static str {
        "solve_judge"
    }
    fn inputs(&self) -> Vec<Port> {
        let Window { samples, window, .. } = self.at;
        vec![Port::f32("sums", &[samples, SUMS + window]), Port::f32("record", &[samples, record_len(window)])]
    }
    fn outputs(&self) -> Vec<Port> {
        let Window { samples, window, .. } = self.at;
        let coefficients = [samples, coefficients_len(window)];
        vec![Port::f32("record", &[samples, record_len(window)]), Port::f32("coefficients", &coefficients)]
    }
    fn dtype(&self) -> Option<DType> {
        Some(DType::F32)
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        cpu::forward(inputs[0], inputs[1], &self.at, &self.judgement).into()
    }
    fn reference_vjp<R: Real>(&self, _: &[&[R]], _: &[&[R]]) -> Vec<Vec<R>> {
        vec![]
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], _: DType) -> Result<Vec<Tensor>> {
        let record = commands.copy(inputs[1])?;
        let coefficients = self.record(commands, inputs[0], &record)?;
        Ok(vec![record, coefficients])
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
    /// Judges every sample by its `sums`, f32 `[samples, 4 + window]` from [`Commands::solve_residual`]: its `record`, f32
    /// `[samples, 73 + window * window]`, changes in place, the coefficients for [`Commands::solve_mix`] or
    /// [`Commands::solve_secant`], f32 `[samples, window + 3]`, are returned.
    ///
    /// # Errors
    /// `Param` if the window has more than 8 slots, or 32 of a secant method, `Shape`, `DType`, `Aliasing`; as [`Commands::apply`].
    pub fn solve_judge(
        &mut self,
        sums: &Tensor,
        record: &Tensor,
        at: &Window,
        judgement: &Judgement,
    ) -> Result<Tensor> {
        let op = SolveJudge::new(at, judgement)?;
        self.admit_shapes(&op, &[sums, record])?;
        op.record(self, sums, record)
    }
}

impl Tape {
    /// As [`Commands::solve_judge`](crate::Commands::solve_judge) on values of this tape's backend, outside of what is
    /// differentiated: the records and the coefficients. On a device `record` changes in place and is returned; the
    /// reference backend returns a new array.
    ///
    /// # Errors
    /// As [`Commands::solve_judge`](crate::Commands::solve_judge), `Foreign` for a value of the other backend.
    pub fn solve_judge(
        &mut self,
        sums: &Value,
        record: &Value,
        at: &Window,
        judgement: &Judgement,
    ) -> Result<[Value; 2]> {
        match self.backend() {
            #[cfg(feature = "gpu")]
            Backend::Device(commands) => {
                let coefficients = commands.solve_judge(sums.tensor()?, record.tensor()?, at, judgement)?;
                Ok([record.clone(), Value::Device(coefficients)])
            }
            Backend::Reference => {
                let op = SolveJudge::new(at, judgement)?;
                super::spec::check(&op, &[sums.spec(), record.spec()])?;
                let [next, coefficients] = cpu::forward(sums.array()?.data(), record.array()?.data(), at, judgement);
                let shape = [at.samples, coefficients_len(at.window)];
                let next = Array::new(next, &record.spec().shape, DType::F32)?;
                Ok([next.into(), Array::new(coefficients, &shape, DType::F32)?.into()])
            }
        }
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "solve_judge",
    formula: "residual = |G| / max(|F|, floor), its verdict, alpha = z / sum z with (H + shift I) z = 1, or of the secant step",
    differentiable: false,
    kernels: &[&KERNEL],
    cases,
};

/// The Gram matrix of residuals of which one sample's are nearly orthogonal and whose sizes differ.
fn gram(i: usize, j: usize) -> f64 {
    let size = |i: usize| 1.0 + 0.25 * i as f64;
    size(i) * size(j) * if i == j { 1.0 } else { 0.125 * ((i + 2 * j) as f64 * (2 * i + j) as f64).sin() }
}

/// Sums of two samples with residual norms `norms` of states of norm 2, and what is beyond and moved.
fn sums(window: usize, slot: usize, norms: [f64; 2], beyond: f64, moved: f64) -> Fill {
    let row = |norm: f64, beyond: f64| {
        let dots = (0..window).map(move |i| gram(i.min(slot), i.max(slot)));
        [norm * norm, 4.0, beyond, moved].into_iter().chain(dots)
    };
    Fill::Values(row(norms[0], beyond).chain(row(norms[1], 0.0)).collect())
}

/// Records of two samples with this status, best residual and first sizes.
fn records(window: usize, status: f64, best: f64, first: f64) -> Fill {
    let mut record = vec![0.0; record_len(window)];
    (record[cpu::STATUS], record[BEST]) = (status, best);
    record[5..8].copy_from_slice(&[first, first, 1.5 * best]);
    // Where a secant method's steps begin: after the first, where there is one before.
    record[8] = if window > 3 { 1.0 } else { 0.0 };
    for i in 0..window {
        for j in 0..window {
            record[cpu::HISTORY + cpu::REMEMBERED + i * window + j] = gram(i.min(j), i.max(j));
        }
    }
    Fill::Values(record)
}

fn cases() -> Vec<Case> {
    let plain = Judgement {
        iteration: 12,
        least: 0,
        last: 40,
        memoryless: false,
        patience: 0,
        to_first: false,
        secant: false,
        tolerance: 1e-3,
        floor: 1e-9,
        divergence: 1e3,
        relative: 1e-3,
        absolute: 0.0,
    };
    let mut cases = Vec::new();
    let mut case =
        |label: &str, window: usize, judgement: Judgement, norms, beyond, moved, [status, best, first]: [f64; 3]| {
            let at = match judgement.secant {
                true => Window::secants(2, 1, window, judgement.iteration),
                false => Window::new(2, 1, window, judgement.iteration),
            };
            let fills = vec![sums(window, at.slot, norms, beyond, moved), records(window, status, best, first)];
            let label = format!("window {window} iteration {}, {label}", judgement.iteration);
            cases.extend(SolveJudge::new(&at, &judgement).ok().map(|op| Case::new(label, op, fills)));
        };
    let running = [cpu::RUNNING, 0.25, 1.0];
    for window in [1, 2, 3, 5, 8] {
        for iteration in [0, 1, 3, 64, 75] {
            let last = 80;
            case("running", window, Judgement { iteration, last, ..plain }, [0.25, 2.0], 0.0, 3.0, running);
        }
    }
    case("absolute", 4, Judgement { absolute: 0.5, relative: 0.0, ..plain }, [0.25, 2.0], 0.0, 3.0, running);
    case("converged", 3, plain, [1e-3, 2.0], 0.0, 3.0, running);
    case("not finite", 3, plain, [0.25, 2.0], 2.0, 3.0, running);
    case("ended", 3, plain, [0.25, 2.0], 0.0, 3.0, [cpu::CONVERGED, 1e-4, 1.0]);
    case("grown", 3, plain, [1.0, 1e-6], 0.0, 3.0, [cpu::RUNNING, 0.25, 1e-4]);
    let memoryless = Judgement { memoryless: true, ..plain };
    case("cycle", 1, memoryless, [0.25, 1e-4], 0.0, 0.0, running);
    case("stuck", 1, Judgement { iteration: 9, ..memoryless }, [0.25, 1e-4], 0.0, 0.0, running);
    case("patient", 1, Judgement { patience: 4, ..plain }, [0.25, 1.0], 0.0, 1.0, running);
    case("at a standstill", 1, Judgement { patience: 4, ..plain }, [2.0, 1.0], 0.0, 1.0, [cpu::RUNNING, 1e9, 1.0]);
    case("to the first", 2, Judgement { to_first: true, ..plain }, [0.25, 2.0], 0.0, 1.0, running);
    case("last", 2, Judgement { last: 12, ..plain }, [0.25, 1e-4], 0.0, 1.0, running);
    let secant = Judgement { secant: true, ..plain };
    for (window, iteration) in [(2, 1), (3, 2), (4, 4), (8, 7), (17, 30), (32, 31)] {
        let last = 80;
        case("steps", window, Judgement { iteration, last, ..secant }, [0.25, 2.0], 0.0, 3.0, running);
    }
    case("early", 3, Judgement { least: 13, ..plain }, [1e-3, 2.0], 0.0, 3.0, running);
    case("late enough", 3, Judgement { least: 12, ..plain }, [1e-3, 2.0], 0.0, 3.0, running);
    // A matrix with no residuals at all: the newest pair alone.
    case("singular", 2, Judgement { relative: 0.0, ..plain }, [0.25, 2.0], 0.0, 1.0, running);
    let at = Window::new(0, 1, 3, 4);
    cases.extend(SolveJudge::new(&at, &plain).ok().map(|op| Case::new("no samples", op, vec![Fill::Zero; 2])));
    let at = Window::new(1 << 16, 1, 5, 12);
    let fills = vec![sums(5, at.slot, [0.25, 2.0], 0.0, 1.0), records(5, cpu::RUNNING, 0.25, 1.0)];
    cases.extend(SolveJudge::new(&at, &plain).ok().map(|op| Case::new("[65536] window 5", op, fills).bench()));
    cases
}
