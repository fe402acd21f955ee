//! Several steps of a small network of phases, in one dispatch.

use std::f64::consts::PI;

use super::graph::Graph;
use super::over_edges::{EdgeCoupling, OverEdges};
use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::Real;
use crate::cpu::couple_phases::Operands;
use crate::cpu::phase_network as cpu;
use crate::cpu::phase_step::ExplicitScheme;
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
use crate::kernel::{DType, Elem, Kernel, Params as _, WORKGROUP, input, output, source};
use crate::tape::{Tape, Var};

crate::params! {
    /// Parameters of the kernel.
    struct Params {
        samples: u32, nodes: u32, steps: u32, stages: u32, base_stride: u32, weights_stride: u32, lag_sample: u32, lag_edge: u32, harmonic: f32,
    }
}

/// Nodes at most, as in the shader: a sample's phases at four times fill 16 KiB of workgroup memory, which every device has.
pub const MOST: usize = 1024;

const PHASES: &str = "[samples, nodes]";

/// One workgroup per sample.
pub static KERNEL: Kernel = Kernel {
    name: "phase_network",
    source: source!("phase_network", "grid", "sincos", "explicit"),
    params: Params::FIELDS,
    bindings: &[
        input("theta", Elem::F32, PHASES),
        input("base", Elem::F32, "[nodes] or [samples, nodes]"),
        input("weights", Elem::F32, "[1, nnz] or [samples, nnz]"),
        input("scalars", Elem::F32, "[2, samples]"),
        input("lag", Elem::F32, "[samples, 1] or [1, nnz]"),
        input("indptr", Elem::U32, "[nodes + 1]"),
        input("indices", Elem::U32, "[nnz]"),
        output("dst", Elem::F32, PHASES),
    ],
    constants: &[],
};

/// Rounds of the loops of one invocation for one step, at most.
pub(crate) fn rounds_of_a_step(graph: &Graph, scheme: ExplicitScheme) -> usize {
    let held = graph.nodes().div_ceil(WORKGROUP as usize);
    scheme.stages().len() * (1 + held * (1 + graph.longest()[0]))
}

/// Several steps of a network over a fixed graph with fixed extents.
#[derive(Clone, Debug)]
pub struct PhaseNetwork {
    over: OverEdges,
    scheme: ExplicitScheme,
    steps: usize,
}

impl PhaseNetwork {
    /// So many steps of phases `theta`, `[B, N]`, with natural frequencies `base`, `[N]` or `[B, N]`, over the edges of `graph`;
    /// the extents in `coupling` are those of [`EdgeCoupling`].
    ///
    /// # Errors
    /// As [`CouplePhases::new`](super::couple_phases::CouplePhases::new); `Param` also for more than 1024 nodes or 2^20 steps.
    pub fn new(
        theta: &[usize],
        base: &[usize],
        coupling: &EdgeCoupling<&[usize]>,
        graph: &Graph,
        harmonic: u32,
        (scheme, steps): (ExplicitScheme, usize),
    ) -> Result<PhaseNetwork> {
        let over = OverEdges::of("phase_network", theta, base, coupling, graph, harmonic)?;
        for (argument, got, most) in [("nodes", over.at.nodes, MOST), ("steps", steps, 1 << 20)] {
            if got > most {
                let wanted = format!("at most {most} in one dispatch");
                return Err(Error::argument(ErrorKind::Param, "phase_network", argument, got, wanted));
            }
        }
        Ok(PhaseNetwork { over, scheme, steps })
    }
}

impl Op for PhaseNetwork {
    fn name(&self) -> &'static str {
        "phase_network"
    }
    fn inputs(&self) -> Vec<Port> {
        let (at, theta) = (&self.over.at, self.over.theta_shape());
        let base = if at.own_base { theta.to_vec() } else { vec![at.nodes] };
        vec![
            Port::f32("theta", &theta),
            Port::f32("base", &base),
            Port::f32("weights", &self.over.weights_shape()),
            Port::f32("strength", &[at.batch]),
            Port::f32("lag", &self.over.lag_shape()),
            Port::f32("h", &[at.batch]),
        ]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::f32("dst", &self.over.theta_shape())]
    }
    fn dtype(&self) -> Option<DType> {
        Some(DType::F32)
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        let [theta, base, weights, strength, lag] = [0, 1, 2, 3, 4].map(|at| inputs[at]);
        let x = Operands { theta, base, weights, strength, lag };
        vec![cpu::forward(&x, inputs[5], &self.over.pairs(), &self.over.at, self.scheme, self.steps)]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], _: &[&[R]]) -> Vec<Vec<R>> {
        inputs.iter().map(|x| vec![R::zero(); x.len()]).collect()
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], _: DType) -> Result<Vec<Tensor>> {
        let [theta, base, weights, strength, lag, h] = [0, 1, 2, 3, 4, 5].map(|at| inputs[at]);
        let (at, stages) = (&self.over.at, self.scheme.stages().len());
        let graph = self.over.graph.on(commands.context())?;
        let dst = commands.empty(&self.over.theta_shape(), DType::F32)?;
        // One buffer for both: with another of its own the kernel would bind more than every device has.
        let scalars = commands.concat(strength, h, 0)?;
        let params = Params {
            samples: at.batch as u32,
            nodes: at.nodes as u32,
            steps: self.steps as u32,
            stages: stages as u32,
            base_stride: if at.own_base { at.nodes as u32 } else { 0 },
            weights_stride: self.over.weights_stride(),
            lag_sample: (!at.edge_lag).into(),
            lag_edge: at.edge_lag.into(),
            harmonic: at.harmonic as f32,
        };
        let structure = [read(&graph.indptr), read(&graph.indices), write(&dst)];
        let binds =
            [&[read(theta), read(base), read(weights), read(&scalars), read(lag)], structure.as_slice()].concat();
        let rounds = (1 + self.steps) * rounds_of_a_step(&self.over.graph, self.scheme);
        let flops = self.steps * stages * (33 * self.over.pairs_of_samples() + 8 * dst.len());
        let work = Work::workgroups(at.batch).rounds(rounds).flops(flops);
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
    /// Phases `theta`, f32 `[B, N]` in radians of at most 1024 nodes, after `steps` steps of sizes `h`, `[B]`, coupled over
    /// the edges of `graph` as by [`Commands::couple_phases`], in one dispatch; wrapped to `[-pi, pi]`. A sample is one
    /// workgroup's, which keeps its phases: this pays for small networks with few edges a node, and for many samples.
    ///
    /// # Errors
    /// As [`Commands::couple_phases`]; `Param` also for more than 1024 nodes or 2^20 steps.
    pub fn phase_network(
        &mut self,
        theta: &Tensor,
        base: &Tensor,
        coupling: &EdgeCoupling<&Tensor>,
        (graph, harmonic): (&Graph, u32),
        h: &Tensor,
        steps: (ExplicitScheme, usize),
    ) -> Result<Tensor> {
        let EdgeCoupling { weights, strength, lag } = *coupling;
        let shapes = EdgeCoupling { weights: weights.shape(), strength: strength.shape(), lag: lag.shape() };
        let op = PhaseNetwork::new(theta.shape(), base.shape(), &shapes, graph, harmonic, steps)?;
        Ok(self.apply(&op, &[theta, base, weights, strength, lag, h])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::phase_network`](crate::Commands::phase_network): a run, no gradient flows through. Steps with a gradient
    /// are [`Network::steps`](crate::network::Network::steps).
    ///
    /// # Errors
    /// As [`Commands::phase_network`](crate::Commands::phase_network).
    pub fn phase_network(
        &mut self,
        theta: Var,
        base: Var,
        coupling: &EdgeCoupling<Var>,
        (graph, harmonic): (&Graph, u32),
        h: Var,
        steps: (ExplicitScheme, usize),
    ) -> Result<Var> {
        let EdgeCoupling { weights, strength, lag } = *coupling;
        let [of_weights, of_strength, of_lag] =
            [self.spec(weights)?.shape, self.spec(strength)?.shape, self.spec(lag)?.shape];
        let shapes = EdgeCoupling { weights: &of_weights[..], strength: &of_strength[..], lag: &of_lag[..] };
        let (phases, rates) = (self.spec(theta)?.shape, self.spec(base)?.shape);
        let op = PhaseNetwork::new(&phases, &rates, &shapes, graph, harmonic, steps)?;
        self.apply_one(op, &[theta, base, weights, strength, lag, h])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "phase_network",
    formula: "dst = theta after steps of theta_i' = base_i + K sum over edges e into i of w[e] sin(q (theta_sender - theta_i) - lag)",
    differentiable: false,
    kernels: &[&KERNEL],
    cases,
};

fn cases() -> Vec<Case> {
    // Everybody listens to the `degree` next nodes of a ring.
    let ring = |nodes: usize, degree: usize| -> Vec<(usize, usize)> {
        (0..nodes).flat_map(|i| (1..=degree).map(move |d| (i, (i + d) % nodes))).collect()
    };
    let case = |[batch, nodes, degree]: [usize; 3], own: bool, edge_lag: bool, harmonic: u32, steps| {
        let edges = ring(nodes, degree);
        let graph = Graph::from_edges(nodes, &edges).ok()?;
        let base = if own { vec![batch, nodes] } else { vec![nodes] };
        let weights = [if own { batch } else { 1 }, edges.len()];
        let lag = if edge_lag { [1, edges.len()] } else { [batch, 1] };
        let shapes = EdgeCoupling { weights: &weights[..], strength: &[batch][..], lag: &lag[..] };
        let op = PhaseNetwork::new(&[batch, nodes], &base, &shapes, &graph, harmonic, steps).ok()?;
        let label =
            format!("[{batch}, {nodes}] degree {degree} weights {weights:?} lag {lag:?} q {harmonic}, {steps:?}");
        // Short steps of weak couplings: phases stay away from where they are wrapped, and errors grow little.
        let phases = Fill::Between(-0.7 * PI, 0.7 * PI);
        let (strength, h) = (Fill::Between(0.1, 0.5), Fill::Between(0.02, 0.05));
        Some(Case::new(label, op, vec![phases, Fill::Uniform, Fill::Uniform, strength, Fill::Uniform, h]))
    };
    use ExplicitScheme::{Euler, Heun, Rk4};
    let mut cases = Vec::new();
    for scheme in [Euler, Heun, Rk4] {
        cases.extend(case([2, 5, 2], false, false, 1, (scheme, 3)));
        cases.extend(case([3, 65, 4], true, true, 1, (scheme, 2)));
        cases.extend(case([2, 130, 3], true, false, 2, (scheme, 3)));
    }
    for shape in [[0, 3, 1], [2, 0, 0], [1, 1, 0], [2, 63, 2], [1, 64, 3]] {
        cases.extend(case(shape, false, true, 1, (Rk4, 1)));
    }
    cases.extend(case([2, 7, 1], false, false, 1, (Heun, 0)));
    cases.extend(case([1, MOST, 2], false, false, 1, (Rk4, 2)));
    cases.extend(case([256, 100, 10], false, false, 1, (Rk4, 10)).map(Case::bench));
    cases
}
