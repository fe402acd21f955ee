//! The next state of a secant iteration: a step that is a mixture of the last steps and of the residual.

use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::solve_judge::coefficients_len;
use crate::cpu::{Real, Window, solve_secant as cpu};
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, update, write};
use crate::kernel::{DType, Elem, Kernel, Params as _, input, output, source, update as updated};
use crate::tape::{Array, Backend, Tape, Value};

crate::params! {
    /// Parameters of the kernel.
    struct Params { samples: u32, len: u32, window: u32, slot: u32 }
}

/// One invocation per element.
pub static KERNEL: Kernel = Kernel {
    name: "solve_secant",
    source: source!("solve_secant", "grid"),
    params: Params::FIELDS,
    bindings: &[
        input("y", Elem::F32, "[samples, len]"),
        input("coefficients", Elem::F32, "[samples, window + 3]"),
        updated("ring", Elem::F32, "[2, window, samples, len]"),
        updated("kept", Elem::F32, "[2, samples, len]"),
        output("dst", Elem::F32, "[samples, len]"),
    ],
    constants: &[],
};

/// One step of all samples.
#[derive(Clone, Debug)]
pub struct SolveSecant {
    at: Window,
}

impl SolveSecant {
    #[cfg(feature = "gpu")]
    fn record(&self, commands: &mut Commands, inputs: [&Tensor; 2], ring: &Tensor, kept: &Tensor) -> Result<Tensor> {
        let [y, coefficients] = inputs;
        let at = &self.at;
        let dst = commands.empty(&[at.samples, at.len], DType::F32)?;
        let params =
            Params { samples: at.samples as u32, len: at.len as u32, window: at.window as u32, slot: at.slot as u32 };
        let work = Work::invocations(dst.len()).rounds(at.slot + 1).flops((2 * at.slot + 3) * dst.len());
        let binds = [read(y), read(coefficients), update(ring), update(kept), write(&dst)];
        commands.dispatch(&KERNEL, DType::F32, &[], &params, &binds, work)?;
        Ok(dst)
    }
}

impl Op for SolveSecant {
    fn name(&self) -> &'static str {
        "solve_secant"
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
        let Window { samples, len, window, .. } = self.at;
        vec![
            Port::f32("ring", &[2, window, samples, len]),
            Port::f32("kept", &[2, samples, len]),
            Port::f32("dst", &[samples, len]),
        ]
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
        let (ring, kept) = (commands.copy(inputs[2])?, commands.copy(inputs[3])?);
        let dst = self.record(commands, [inputs[0], inputs[1]], &ring, &kept)?;
        Ok(vec![ring, kept, dst])
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
    /// The next states of a secant iteration, all f32: steps by the `coefficients` of [`Commands::solve_judge`], over the
    /// last steps and the newest residual in the `ring`, `[2, window, samples, len]`, added to `y`. A sample that has ended
    /// is copied. The ring gets the step; the best states and the anchors in `kept`, `[2, samples, len]`, change in place.
    ///
    /// # Errors
    /// `Shape`, `DType`, `Aliasing`; as [`Commands::apply`].
    pub fn solve_secant(
        &mut self,
        y: &Tensor,
        coefficients: &Tensor,
        ring: &Tensor,
        kept: &Tensor,
        at: &Window,
    ) -> Result<Tensor> {
        let op = SolveSecant { at: *at };
        self.admit_shapes(&op, &[y, coefficients, ring, kept])?;
        op.record(self, [y, coefficients], ring, kept)
    }
}

impl Tape {
    /// As [`Commands::solve_secant`](crate::Commands::solve_secant) on values of this tape's backend, outside of what is
    /// differentiated: the ring, what is kept, and the next states. On a device ring and `kept` change in place and are
    /// returned; the reference backend returns new arrays.
    ///
    /// # Errors
    /// As [`Commands::solve_secant`](crate::Commands::solve_secant), `Foreign` for a value of the other backend.
    pub fn solve_secant(
        &mut self,
        y: &Value,
        coefficients: &Value,
        ring: &Value,
        kept: &Value,
        at: &Window,
    ) -> Result<[Value; 3]> {
        match self.backend() {
            #[cfg(feature = "gpu")]
            Backend::Device(commands) => {
                let inputs = (y.tensor()?, coefficients.tensor()?, ring.tensor()?, kept.tensor()?);
                let dst = commands.solve_secant(inputs.0, inputs.1, inputs.2, inputs.3, at)?;
                Ok([ring.clone(), kept.clone(), Value::Device(dst)])
            }
            Backend::Reference => {
                let op = SolveSecant { at: *at };
                super::spec::check(&op, &[y.spec(), coefficients.spec(), ring.spec(), kept.spec()])?;
                let (state, mixed) = (y.array()?.data(), coefficients.array()?.data());
                let next = cpu::forward(state, mixed, ring.array()?.data(), kept.array()?.data(), at);
                let shapes = [ring.spec().shape, kept.spec().shape, vec![at.samples, at.len]];
                let [ring, kept, dst] = next;
                let array = |data, shape: &[usize]| Ok(Value::from(Array::new(data, shape, DType::F32)?));
                Ok([array(ring, &shapes[0])?, array(kept, &shapes[1])?, array(dst, &shapes[2])?])
            }
        }
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "solve_secant",
    formula: "dst = y + s, s = sum alpha_i r_i over the last steps and G, or y; the ring gets s; best and anchor",
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
    let case = |samples: usize, len: usize, window: usize, iteration: usize, fill: &Fill| {
        let op = SolveSecant { at: Window::secants(samples, len, window, iteration) };
        let fills = vec![fill.clone(), coefficients(window), fill.clone(), fill.clone()];
        Case::new(format!("[{samples}, {len}] window {window} iteration {iteration}, {fill:?}"), op, fills)
    };
    let mut cases = Vec::new();
    for (samples, len) in [(0, 3), (2, 0), (1, 1), (3, 2), (3, 63), (1, 64), (2, 65), (4, 130)] {
        cases.push(case(samples, len, 2, 0, &Fill::Uniform));
        cases.push(case(samples, len, 5, 8, &Fill::Uniform));
    }
    cases.push(case(3, 40, 32, 31, &Fill::Uniform));
    cases.push(case(3, 40, 4, 2, &Fill::Mixed(10)));
    cases.push(case(4, 1 << 16, 5, 9, &Fill::Uniform).bench());
    cases
}
