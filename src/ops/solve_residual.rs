//! The residual of a fixed-point iteration, the sums that it is judged by, and the ring of the last pairs.

use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::solve_residual::{self as cpu, SUMS};
use crate::cpu::{Real, Window};
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, update, write};
use crate::kernel::{DType, Elem, Kernel, Params as _, input, output, source, update as updated};
use crate::tape::{Array, Backend, Tape, Value};

crate::params! {
    /// Parameters of the kernel.
    struct Params { samples: u32, len: u32, tiles: u32, window: u32, dots: u32, slot: u32 }
}

/// Elements of one tile, as in the shader.
#[cfg(feature = "gpu")]
const TILE: usize = 1024;

/// Partial sums; `sum_rows` adds them.
pub static KERNEL: Kernel = Kernel {
    name: "solve_residual",
    source: source!("solve_residual", "grid", "reduce"),
    params: Params::FIELDS,
    bindings: &[
        input("y", Elem::F32, "[samples, len]"),
        input("f", Elem::F32, "[samples, len]"),
        input("kept", Elem::F32, "[2, samples, len]"),
        updated("ring", Elem::F32, "[2, window, samples, len]"),
        output("partial", Elem::F32, "[samples, 4 + window, tiles]"),
    ],
    constants: &[],
};

/// The residual of one evaluation.
#[derive(Clone, Debug)]
pub struct SolveResidual {
    at: Window,
}

impl SolveResidual {
    #[cfg(feature = "gpu")]
    fn record(&self, commands: &mut Commands, inputs: [&Tensor; 3], ring: &Tensor) -> Result<Tensor> {
        let [y, f, kept] = inputs;
        let at = &self.at;
        let tiles = at.len.div_ceil(TILE);
        let rows = SUMS + at.window;
        let partial = commands.empty(&[at.samples, rows, tiles], DType::F32)?;
        let params = Params {
            samples: at.samples as u32,
            len: at.len as u32,
            tiles: tiles as u32,
            window: at.window as u32,
            dots: at.dots() as u32,
            slot: at.slot as u32,
        };
        let rounds = (1 + at.dots()) * (TILE / crate::kernel::WORKGROUP as usize + 8) + 4 * 8 + at.window;
        let flops = at.samples * at.len * (5 + 2 * at.dots());
        let work = Work::workgroups(at.samples * tiles).rounds(rounds).flops(flops);
        let binds = [read(y), read(f), read(kept), update(ring), write(&partial)];
        commands.dispatch(&KERNEL, DType::F32, &[], &params, &binds, work)?;
        match tiles {
            1 => partial.reshape(&[at.samples, rows]),
            _ => super::sum_rows::sum_rows(commands, &partial, 0, tiles, &[at.samples, rows]),
        }
    }
}

impl Op for SolveResidual {
    fn name(&self) -> &'static str {
        "solve_residual"
    }
    fn inputs(&self) -> Vec<Port> {
        let Window { samples, len, window, .. } = self.at;
        vec![
            Port::f32("y", &[samples, len]),
            Port::f32("f", &[samples, len]),
            Port::f32("kept", &[2, samples, len]),
            Port::f32("ring", &[2, window, samples, len]),
        ]
    }
    fn outputs(&self) -> Vec<Port> {
        let Window { samples, len, window, .. } = self.at;
        vec![Port::f32("ring", &[2, window, samples, len]), Port::f32("sums", &[samples, SUMS + window])]
    }
    fn dtype(&self) -> Option<DType> {
        Some(DType::F32)
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        cpu::forward(inputs[0], inputs[1], inputs[2], inputs[3], &self.at).into()
    }
    fn reference_vjp<R: Real>(&self, _: &[&[R]], _: &[&[R]]) -> Vec<Vec<R>> {
        vec![]
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], _: DType) -> Result<Vec<Tensor>> {
        let ring = commands.copy(inputs[3])?;
        let sums = self.record(commands, [inputs[0], inputs[1], inputs[2]], &ring)?;
        Ok(vec![ring, sums])
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
    /// What the evaluation `f` of a fixed-point iteration at the states `y` tells, all f32: the pair goes into its slot of
    /// `ring`, `[2, window, samples, len]`, in place; the sums `[samples, 4 + window]` are returned. `kept`,
    /// `[2, samples, len]`, holds the best states and the anchors.
    ///
    /// # Errors
    /// `Shape`, `DType`, `Aliasing` if `ring` shares its buffer with another argument; as [`Commands::apply`].
    pub fn solve_residual(
        &mut self,
        y: &Tensor,
        f: &Tensor,
        kept: &Tensor,
        ring: &Tensor,
        at: &Window,
    ) -> Result<Tensor> {
        let op = SolveResidual { at: *at };
        // A checked context would refuse what the sums are there to count, so the elements are not looked at here.
        self.admit_shapes(&op, &[y, f, kept, ring])?;
        op.record(self, [y, f, kept], ring)
    }
}

impl Tape {
    /// As [`Commands::solve_residual`](crate::Commands::solve_residual) on values of this tape's backend, outside of what
    /// is differentiated: the ring and the sums. On a device `ring` changes in place and is returned; the reference
    /// backend returns a new array.
    ///
    /// # Errors
    /// As [`Commands::solve_residual`](crate::Commands::solve_residual), `Foreign` for a value of the other backend.
    pub fn solve_residual(
        &mut self,
        y: &Value,
        f: &Value,
        kept: &Value,
        ring: &Value,
        at: &Window,
    ) -> Result<[Value; 2]> {
        match self.backend() {
            #[cfg(feature = "gpu")]
            Backend::Device(commands) => {
                let sums = commands.solve_residual(y.tensor()?, f.tensor()?, kept.tensor()?, ring.tensor()?, at)?;
                Ok([ring.clone(), Value::Device(sums)])
            }
            Backend::Reference => {
                let op = SolveResidual { at: *at };
                super::spec::check(&op, &[y.spec(), f.spec(), kept.spec(), ring.spec()])?;
                let data = |value: &Value| -> Result<Vec<f64>> { Ok(value.array()?.data().to_vec()) };
                let [next, sums] = cpu::forward(&data(y)?, &data(f)?, &data(kept)?, &data(ring)?, at);
                let next = Array::new(next, &ring.spec().shape, DType::F32)?;
                Ok([next.into(), Array::new(sums, &[at.samples, SUMS + at.window], DType::F32)?.into()])
            }
        }
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "solve_residual",
    formula: "G = f - y, |G|^2, |f|^2, <G, G_i> per sample; counts of what is not finite and of what moved",
    differentiable: false,
    kernels: &[&KERNEL, &super::sum_rows::KERNEL],
    cases,
};

fn cases() -> Vec<Case> {
    let case = |samples: usize, len: usize, window: usize, iteration: usize, label: &str, fills: [Fill; 2]| {
        let at = Window::new(samples, len, window, iteration);
        let [y, f] = fills;
        let label = format!("[{samples}, {len}] window {window} iteration {iteration}{label}");
        Case::new(label, SolveResidual { at }, vec![y, f, Fill::Uniform, Fill::Uniform])
    };
    let plain = || [Fill::Uniform, Fill::Uniform];
    let mut cases = Vec::new();
    for (samples, len) in [(0, 3), (2, 0), (1, 1), (3, 2), (2, 63), (1, 64), (2, 65), (2, 257)] {
        cases.push(case(samples, len, 1, 4, "", plain()));
        cases.push(case(samples, len, 3, 1, "", plain()));
    }
    for iteration in [0, 2, 7, 12] {
        cases.push(case(2, 130, 5, iteration, "", plain()));
    }
    cases.push(case(2, 2500, 8, 9, ", tiles", plain()));
    cases.push(case(3, 130, 4, 6, ", mixed scales", [Fill::Mixed(10), Fill::Mixed(10)]));
    let beyond = vec![1.0, -2.0, f64::NAN, 0.5, f64::INFINITY, f64::NEG_INFINITY, -1.2e15, 1.1e15, 3.0, 0.0, -0.0];
    cases.push(case(3, 20, 3, 4, ", f not finite", [Fill::Uniform, Fill::Values(beyond.clone())]));
    cases.push(case(3, 20, 3, 4, ", y not finite", [Fill::Values(beyond), Fill::Uniform]));
    cases.push(case(3, 20, 3, 4, ", at rest", [Fill::Zero, Fill::Zero]));
    let mut still = case(2, 70, 2, 3, ", at its anchor", plain());
    still.fills = vec![Fill::Values(vec![0.5, -0.0]), Fill::Uniform, Fill::Values(vec![0.5, -0.0]), Fill::Uniform];
    cases.push(still);
    cases.push(case(4, 1 << 16, 5, 9, "", plain()).bench());
    cases
}
