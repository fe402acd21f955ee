//! Several steps of phases in their mean field, in one dispatch.

use std::f64::consts::PI;

use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::Real;
use crate::cpu::mean_field::{self as cpu, Run};
use crate::cpu::phase_step::ExplicitScheme;
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
use crate::kernel::{DType, Elem, Kernel, Params as _, WORKGROUP, input, output, source};
use crate::tape::{Tape, Var};

crate::params! {
    /// Parameters of the kernel.
    struct Params { samples: u32, nodes: u32, steps: u32, stages: u32, m: f32, per_sample: u32, share: f32 }
}

const NODES: &str = "[samples, nodes]";

/// One workgroup per sample.
pub static KERNEL: Kernel = Kernel {
    name: "mean_field",
    source: source!("mean_field", "grid", "sincos", "reduce", "reduce_two", "explicit"),
    params: Params::FIELDS,
    bindings: &[
        input("theta", Elem::F32, NODES),
        input("base", Elem::F32, "[nodes] or [samples, nodes]"),
        input("strength", Elem::F32, "[samples]"),
        input("lag", Elem::F32, "[samples]"),
        input("h", Elem::F32, "[samples]"),
        output("scratch", Elem::F32, "[3, samples, nodes]"),
        output("dst", Elem::F32, NODES),
    ],
    constants: &[],
};

/// Rounds of the loops of one invocation for one step.
pub(crate) fn rounds_of_a_step(nodes: usize, scheme: ExplicitScheme) -> usize {
    scheme.stages().len() * (nodes.div_ceil(WORKGROUP as usize) + 9)
}

/// What all nodes of a mean field are driven by, as tensors or variables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MeanField<T> {
    /// Natural frequencies, `[N]` or `[B, N]`, in radians per unit of time.
    pub base: T,
    /// The coupling strength K, `[B]`, in radians per unit of time.
    pub strength: T,
    /// The phase lag, `[B]`, in radians.
    pub lag: T,
    /// The step size, `[B]`.
    pub h: T,
}

/// Several steps of phases with fixed extents.
#[derive(Clone, Debug)]
pub struct MeanFieldSteps {
    at: Run,
}

impl MeanFieldSteps {
    /// So many steps of phases `theta` `[B, N]` over a base `[N]` or `[B, N]`.
    ///
    /// # Errors
    /// `Shape` for other extents, `Param` for a harmonic of 0 or above 2^24 or more than 2^20 steps, `Index` past 32 bits.
    pub fn new(
        theta: &[usize],
        base: &[usize],
        harmonic: u32,
        scheme: ExplicitScheme,
        steps: usize,
    ) -> Result<MeanFieldSteps> {
        let name = "mean_field";
        let [samples, nodes] = super::nodes::extents(name, "theta", theta)?;
        super::nodes::harmonic(name, harmonic)?;
        super::layout::indexable(name, &[3, samples, nodes])?;
        if base != [nodes] && base != theta {
            let wanted = format!("[{nodes}] or {theta:?}");
            return Err(Error::argument(ErrorKind::Shape, name, "base", format!("{base:?}"), wanted));
        }
        if steps > 1 << 20 {
            return Err(Error::argument(ErrorKind::Param, name, "steps", steps, "at most 2^20 in one dispatch"));
        }
        Ok(MeanFieldSteps { at: Run { samples, nodes, shared: base.len() == 1, harmonic, scheme, steps } })
    }

    fn theta(&self) -> [usize; 2] {
        [self.at.samples, self.at.nodes]
    }
}

impl Op for MeanFieldSteps {
    fn name(&self) -> &'static str {
        "mean_field"
    }
    fn inputs(&self) -> Vec<Port> {
        let Run { samples, nodes, shared, .. } = self.at;
        let base = if shared { vec![nodes] } else { self.theta().to_vec() };
        let mut ports = vec![Port::f32("theta", &self.theta()), Port::f32("base", &base)];
        ports.extend(["strength", "lag", "h"].map(|name| Port::f32(name, &[samples])));
        ports
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::f32("dst", &self.theta())]
    }
    fn dtype(&self) -> Option<DType> {
        Some(DType::F32)
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(inputs[0], inputs[1], inputs[2], inputs[3], inputs[4], &self.at)]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], _: &[&[R]]) -> Vec<Vec<R>> {
        inputs.iter().map(|x| vec![R::zero(); x.len()]).collect()
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], _: DType) -> Result<Vec<Tensor>> {
        let Run { samples, nodes, shared, harmonic, scheme, steps } = self.at;
        let stages = scheme.stages().len();
        let dst = commands.empty(&self.theta(), DType::F32)?;
        let scratch = commands.empty(&[3, samples, nodes], DType::F32)?;
        let params = Params {
            samples: samples as u32,
            nodes: nodes as u32,
            steps: steps as u32,
            stages: stages as u32,
            m: harmonic as f32,
            per_sample: (!shared).into(),
            share: (1.0 / nodes as f64) as f32,
        };
        let [theta, base, strength, lag, h] = [0, 1, 2, 3, 4].map(|at| read(inputs[at]));
        let binds = [theta, base, strength, lag, h, write(&scratch), write(&dst)];
        let rounds = (1 + steps) * rounds_of_a_step(nodes, scheme);
        let work = Work::workgroups(samples).rounds(rounds).flops((1 + steps * stages) * samples * nodes * 36);
        commands.dispatch(&KERNEL, DType::F32, &[], &params, &binds, work)?;
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
    /// Phases `theta`, f32 `[B, N]` in radians, after `steps` steps in their own mean field, in one dispatch:
    /// `d theta_i / dt = base_i + K mean_j sin(m (theta_j - theta_i) - lag)` with the harmonic m, wrapped to `[-pi, pi]`.
    /// A sample is one workgroup's, so this pays for small networks and for many samples; what it computes is what
    /// [`Commands::phasors`], [`Commands::mean_nodes`], [`Commands::phase_rate`] and [`Commands::phase_step`] compute in
    /// three dispatches a stage.
    ///
    /// # Errors
    /// `Shape`, `DType`, `Index`; `Param` for a harmonic of 0 or above 2^24 or more than 2^20 steps; as [`Commands::apply`].
    pub fn mean_field(
        &mut self,
        theta: &Tensor,
        field: &MeanField<&Tensor>,
        harmonic: u32,
        scheme: ExplicitScheme,
        steps: usize,
    ) -> Result<Tensor> {
        let op = MeanFieldSteps::new(theta.shape(), field.base.shape(), harmonic, scheme, steps)?;
        Ok(self.apply(&op, &[theta, field.base, field.strength, field.lag, field.h])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::mean_field`](crate::Commands::mean_field): a run, no gradient flows through. Steps with a gradient are
    /// [`Network::steps`](crate::network::Network::steps).
    ///
    /// # Errors
    /// As [`Commands::mean_field`](crate::Commands::mean_field).
    pub fn mean_field(
        &mut self,
        theta: Var,
        field: &MeanField<Var>,
        harmonic: u32,
        scheme: ExplicitScheme,
        steps: usize,
    ) -> Result<Var> {
        let [shape, base] = [self.spec(theta)?.shape, self.spec(field.base)?.shape];
        let op = MeanFieldSteps::new(&shape, &base, harmonic, scheme, steps)?;
        self.apply_one(op, &[theta, field.base, field.strength, field.lag, field.h])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "mean_field",
    formula: "dst = theta after steps of theta' = base + K mean_j sin(m (theta_j - theta_i) - lag)",
    differentiable: false,
    kernels: &[&KERNEL],
    cases,
};

fn cases() -> Vec<Case> {
    let case = |shape: [usize; 2], shared: bool, harmonic: u32, scheme: ExplicitScheme, steps: usize| {
        let base = if shared { vec![shape[1]] } else { shape.to_vec() };
        let op = MeanFieldSteps::new(&shape, &base, harmonic, scheme, steps).ok()?;
        // Short steps in a weak field: phases stay away from where they are wrapped, and errors grow little.
        let phases = Fill::Between(-0.7 * PI, 0.7 * PI);
        let fills =
            vec![phases, Fill::Uniform, Fill::Between(0.2, 1.0), Fill::Between(-1.0, 1.0), Fill::Between(0.02, 0.05)];
        let text = if shared { "shared" } else { "own" };
        Some(Case::new(format!("{shape:?} {text} base, harmonic {harmonic}, {steps} steps of {scheme:?}"), op, fills))
    };
    let mut cases = Vec::new();
    for scheme in [ExplicitScheme::Euler, ExplicitScheme::Heun, ExplicitScheme::Rk4] {
        cases.extend(case([2, 5], true, 1, scheme, 3));
        cases.extend(case([3, 65], false, 1, scheme, 2));
        cases.extend(case([1, 130], true, 2, scheme, 4));
    }
    for shape in [[0, 3], [2, 0], [1, 1], [2, 63], [1, 64]] {
        cases.extend(case(shape, true, 1, ExplicitScheme::Rk4, 1));
    }
    cases.extend(case([2, 7], true, 1, ExplicitScheme::Heun, 0));
    cases.extend(case([1, 300], false, 3, ExplicitScheme::Rk4, 5));
    cases.extend(case([64, 512], true, 1, ExplicitScheme::Rk4, 20).map(Case::bench));
    cases
}
