//! Energy of a coupled state per sample, in the published code's and in the paper's convention.

use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::{Real, energy as cpu};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::DType;
use crate::kernel::{Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Tape, Var};

crate::params! {
    /// Parameters of the forward kernel.
    struct Params { samples: u32, run: u32, tiles: u32, paper: u32 }
}

crate::params! {
    /// Parameters of the backward kernel.
    struct ParamsBwd { len: u32, run: u32, paper: u32 }
}

/// Elements of one tile, as in the shader.
#[cfg(feature = "gpu")]
const TILE: usize = 1024;

/// Partial sums; `sum_rows` adds them.
pub static FORWARD: Kernel = Kernel {
    name: "energy",
    source: source!("energy", "grid", "reduce"),
    params: Params::FIELDS,
    bindings: &[
        input("x", Elem::Storage, "[samples, run]"),
        input("y", Elem::Storage, "[samples, run]"),
        input("c", Elem::Storage, "[samples, run]"),
        output("partial", Elem::F32, "[samples, tiles]"),
    ],
    constants: &[],
};

/// Backward.
pub static BACKWARD: Kernel = Kernel {
    name: "energy_bwd",
    source: source!("energy_bwd", "grid"),
    params: ParamsBwd::FIELDS,
    bindings: &[
        input("x", Elem::Storage, "[len]"),
        input("y", Elem::Storage, "[len]"),
        input("c", Elem::Storage, "[len]"),
        input("energy_bar", Elem::F32, "[samples]"),
        output("x_bar", Elem::Storage, "[len]"),
        output("y_bar", Elem::Storage, "[len]"),
    ],
    constants: &[],
};

/// The energy of a state with fixed extents. With `c` it is the paper's, without the published code's.
#[derive(Clone, Debug)]
pub struct Energy {
    shape: Vec<usize>,
    paper: bool,
}

impl Energy {
    fn new(shape: &[usize], paper: bool) -> Result<Energy> {
        if shape.is_empty() {
            return Err(Error::argument(ErrorKind::Shape, "energy", "x", "a scalar", "a first axis of samples"));
        }
        Ok(Energy { shape: shape.to_vec(), paper })
    }

    fn samples(&self) -> usize {
        self.shape[0]
    }

    #[cfg(feature = "gpu")]
    fn run(&self) -> usize {
        self.shape[1..].iter().product()
    }
}

impl Op for Energy {
    fn name(&self) -> &'static str {
        "energy"
    }
    fn inputs(&self) -> Vec<Port> {
        let mut ports = vec![Port::storage("x", &self.shape), Port::storage("y", &self.shape)];
        if self.paper {
            ports.push(Port::storage("c", &self.shape));
        }
        ports
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::f32("energy", &[self.samples()])]
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(inputs[0], inputs[1], inputs.get(2).copied(), self.samples())]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        cpu::backward(inputs[0], inputs[1], inputs.get(2).copied(), cotangents[0])
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], dtype: DType) -> Result<Vec<Tensor>> {
        let (x, y) = (inputs[0], inputs[1]);
        let c = inputs.get(2).copied().unwrap_or(y);
        let tiles = self.run().div_ceil(TILE);
        let partial = commands.empty(&[self.samples(), tiles], DType::F32)?;
        let params = Params {
            samples: self.samples() as u32,
            run: self.run() as u32,
            tiles: tiles as u32,
            paper: self.paper.into(),
        };
        let work = Work::workgroups(self.samples() * tiles).flops(3 * x.len());
        commands.dispatch(&FORWARD, dtype, &[], &params, &[read(x), read(y), read(c), write(&partial)], work)?;
        Ok(vec![super::sum_rows::sum_rows(commands, &partial, 0, tiles, &[self.samples()])?])
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
        let Some(g) = cotangents[0] else { return Ok(vec![None; inputs.len()]) };
        let (x, y) = (inputs[0], inputs[1]);
        let c = inputs.get(2).copied().unwrap_or(y);
        let (x_bar, y_bar) = (commands.empty(&self.shape, dtype)?, commands.empty(&self.shape, dtype)?);
        let params = ParamsBwd { len: x.len() as u32, run: self.run() as u32, paper: self.paper.into() };
        let binds = [read(x), read(y), read(c), read(g), write(&x_bar), write(&y_bar)];
        let work = Work::invocations(x.len()).flops(3 * x.len());
        commands.dispatch(&BACKWARD, dtype, &[], &params, &binds, work)?;
        let mut all = vec![Some(x_bar), Some(y_bar.clone())];
        if self.paper {
            all.push(Some(y_bar));
        }
        Ok(all)
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// Energy per sample of a state `x` under the drive `y = J x + c`; the first axis counts samples. With `c` the
    /// paper's `- 1/2 sum x . J x - sum c . x`, where `c` holds all external fields, biases of `J` included; without
    /// it the published code's `- sum x . y`.
    ///
    /// # Errors
    /// `Shape`, `DType`; as [`Commands::apply`].
    pub fn energy(&mut self, x: &Tensor, y: &Tensor, c: Option<&Tensor>) -> Result<Tensor> {
        let mut inputs = vec![x, y];
        inputs.extend(c);
        Ok(self.apply(&Energy::new(x.shape(), c.is_some())?, &inputs)?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::energy`](crate::Commands::energy), differentiable in all operands.
    ///
    /// # Errors
    /// `Shape`, `DType`; as [`Tape::apply`].
    pub fn energy(&mut self, x: Var, y: Var, c: Option<Var>) -> Result<Var> {
        let op = Energy::new(&self.spec(x)?.shape, c.is_some())?;
        let mut inputs = vec![x, y];
        inputs.extend(c);
        self.apply_one(op, &inputs)
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "energy",
    formula: "e = - sum x y (published) or - 1/2 sum x (y + c) (paper)",
    differentiable: true,
    kernels: &[&FORWARD, &BACKWARD, &super::sum_rows::KERNEL],
    cases,
};

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for paper in [false, true] {
        let name = if paper { "paper" } else { "published" };
        for shape in
            [&[0, 4][..], &[2, 0], &[1, 1], &[3, 2, 2], &[2, 63], &[2, 65], &[3, 1025], &[65_537, 2], &[16, 64, 32, 32]]
        {
            let Ok(op) = Energy::new(shape, paper) else { continue };
            let fills = vec![Fill::Uniform; 2 + usize::from(paper)];
            let case = Case::new(format!("{shape:?} {name}"), op, fills);
            // The long batch needs more workgroups than one dimension of a grid has.
            cases.push(match shape.iter().product::<usize>() {
                0..13 => case.ladder(),
                1_000_000.. => case.bench(),
                _ => case,
            });
        }
        // The published energy is linear in each operand; the paper's is affine in y.
        if let Ok(op) = Energy::new(&[2, 4100], false) {
            if !paper {
                cases.push(Case::new("[2, 4100] published, linear", op, vec![Fill::Uniform; 2]).linear());
            }
        }
        if let Ok(op) = Energy::new(&[2, 4100], paper) {
            let fills = vec![Fill::Mixed(20); 2 + usize::from(paper)];
            cases.push(Case::new(format!("[2, 4100] {name}, mixed scales"), op, fills));
        }
    }
    cases
}
