//! Energy of Kuramoto coupling over the edges of a graph.

use super::graph::Graph;
use super::over_edges::{EdgeCoupling, OverEdges};
use super::spec::{Case, Fill, Op, OpSpec, Port};
use super::term_sums;
#[cfg(feature = "gpu")]
use super::{layout::indexable, nodes::add_tiles};
use crate::cpu::Real;
use crate::cpu::couple_energy as cpu;
use crate::cpu::couple_phases::Operands;
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::WORKGROUP;
use crate::kernel::{DType, Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Tape, Var};

crate::params! {
    /// Parameters of the forward kernel.
    struct Params {
        rows: u32,
        tiles: u32,
        nodes: u32,
        edges: u32,
        weights_stride: u32,
        lag_sample: u32,
        lag_edge: u32,
        harmonic: f32,
        share: f32,
    }
}

crate::params! {
    /// Parameters of the kernel over edges.
    struct ParamsEdges {
        len: u32,
        nodes: u32,
        edges: u32,
        lag_sample: u32,
        lag_edge: u32,
        harmonic: f32,
        share: f32,
    }
}

/// Edges of one tile of the sum, as in the shader.
#[cfg(feature = "gpu")]
const TILE: usize = 4096;

const PHASES: &str = "[batch, nodes]";
const LAG: &str = "[batch, 1] or [1, nnz]";

/// Partial sums; `sum_rows` adds them.
pub static FORWARD: Kernel = Kernel {
    name: "couple_energy",
    source: source!("couple_energy", "grid", "reduce", "sincos"),
    params: Params::FIELDS,
    bindings: &[
        input("theta", Elem::F32, PHASES),
        input("weights", Elem::F32, "[1, nnz] or [batch, nnz]"),
        input("strength", Elem::F32, "[batch]"),
        input("lag", Elem::F32, LAG),
        input("receivers", Elem::U32, "[nnz]"),
        input("indices", Elem::U32, "[nnz]"),
        output("partial", Elem::F32, "[batch, tiles]"),
    ],
    constants: &[],
};

/// Sine and negative cosine of each edge's difference, times the cotangent of its sample.
pub static BACKWARD_EDGES: Kernel = Kernel {
    name: "couple_energy_bwd_edges",
    source: source!("couple_energy_bwd_edges", "grid", "sincos"),
    params: ParamsEdges::FIELDS,
    bindings: &[
        input("theta", Elem::F32, PHASES),
        input("lag", Elem::F32, LAG),
        input("energy_bar", Elem::F32, "[batch]"),
        input("receivers", Elem::U32, "[nnz]"),
        input("indices", Elem::U32, "[nnz]"),
        output("terms", Elem::F32, "[batch, nnz, 2]"),
    ],
    constants: &[],
};

/// The energy of a coupling over a fixed graph with fixed extents.
#[derive(Clone, Debug)]
pub struct CoupleEnergy {
    over: OverEdges,
}

impl CoupleEnergy {
    /// The energy of phases `theta`, `[B, N]`, coupled over the edges of `graph`.
    ///
    /// # Errors
    /// `Shape` for other extents, `Param` for a harmonic of 0 or above 1000, `Index` for more elements than 32-bit
    /// indices reach.
    pub fn new(
        theta: &[usize],
        coupling: &EdgeCoupling<&[usize]>,
        graph: &Graph,
        harmonic: u32,
    ) -> Result<CoupleEnergy> {
        let over = OverEdges::of("couple_energy", theta, &[graph.nodes()], coupling, graph, harmonic)?;
        Ok(CoupleEnergy { over })
    }
}

fn operands<'a, R>(inputs: &[&'a [R]]) -> Operands<'a, R> {
    Operands { theta: inputs[0], base: &[], weights: inputs[1], strength: inputs[2], lag: inputs[3] }
}

#[cfg(feature = "gpu")]
impl CoupleEnergy {
    /// The terms of all gradients, `[batch, edges, 2]`.
    fn terms(&self, commands: &mut Commands, theta: &Tensor, lag: &Tensor, g: &Tensor) -> Result<Tensor> {
        let at = &self.over.at;
        let shape = [at.batch, at.edges, 2];
        indexable("couple_energy: the terms of the gradients", &shape)?;
        let graph = self.over.graph.on(commands.context())?;
        let terms = commands.empty(&shape, DType::F32)?;
        let len = self.over.pairs_of_samples();
        let params = ParamsEdges {
            len: len as u32,
            nodes: at.nodes as u32,
            edges: at.edges as u32,
            lag_sample: (!at.edge_lag).into(),
            lag_edge: at.edge_lag.into(),
            harmonic: at.harmonic as f32,
            share: (0.5 / f64::from(at.harmonic)) as f32,
        };
        let binds = [read(theta), read(lag), read(g), read(&graph.receivers), read(&graph.indices), write(&terms)];
        let work = Work::invocations(len).flops(34 * len);
        commands.dispatch(&BACKWARD_EDGES, DType::F32, &[], &params, &binds, work)?;
        Ok(terms)
    }
}

impl Op for CoupleEnergy {
    fn name(&self) -> &'static str {
        "couple_energy"
    }
    fn inputs(&self) -> Vec<Port> {
        vec![
            Port::f32("theta", &self.over.theta_shape()),
            Port::f32("weights", &self.over.weights_shape()),
            Port::f32("strength", &[self.over.at.batch]),
            Port::f32("lag", &self.over.lag_shape()),
        ]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::f32("energy", &[self.over.at.batch])]
    }
    fn dtype(&self) -> Option<DType> {
        Some(DType::F32)
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(&operands(inputs), &self.over.pairs(), &self.over.at)]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        cpu::backward(&operands(inputs), cotangents[0], &self.over.pairs(), &self.over.at).into()
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], _: DType) -> Result<Vec<Tensor>> {
        let &[theta, weights, strength, lag] = inputs else { return Ok(vec![]) };
        let at = &self.over.at;
        let graph = self.over.graph.on(commands.context())?;
        let tiles = at.edges.div_ceil(TILE).max(1);
        let partial = commands.empty(&[at.batch, tiles], DType::F32)?;
        let params = Params {
            rows: partial.len() as u32,
            tiles: tiles as u32,
            nodes: at.nodes as u32,
            edges: at.edges as u32,
            weights_stride: self.over.weights_stride(),
            lag_sample: (!at.edge_lag).into(),
            lag_edge: at.edge_lag.into(),
            harmonic: at.harmonic as f32,
            share: (-0.5 / f64::from(at.harmonic)) as f32,
        };
        let structure = [read(&graph.receivers), read(&graph.indices), write(&partial)];
        let binds = [&[read(theta), read(weights), read(strength), read(lag)], structure.as_slice()].concat();
        let rounds = TILE / WORKGROUP as usize + 8;
        let work = Work::workgroups(partial.len()).rounds(rounds).flops(33 * self.over.pairs_of_samples());
        commands.dispatch(&FORWARD, DType::F32, &[], &params, &binds, work)?;
        Ok(vec![add_tiles(commands, &partial, 0, tiles, &[at.batch])?])
    }
    #[cfg(feature = "gpu")]
    fn backward(
        &self,
        commands: &mut Commands,
        inputs: &[&Tensor],
        cotangents: &[Option<&Tensor>],
        needs: &[bool],
        _: DType,
    ) -> Result<Vec<Option<Tensor>>> {
        let mut all = vec![None; inputs.len()];
        let (&[theta, weights, strength, lag], Some(g)) = (inputs, cotangents[0]) else { return Ok(all) };
        let at = &self.over.at;
        let terms = self.terms(commands, theta, lag, g)?;
        if needs[0] {
            all[0] = Some(term_sums::over_nodes(commands, [weights, strength], &terms, &self.over.graph, at.harmonic)?);
        }
        if needs[1] {
            all[1] = Some(term_sums::over_samples(commands, strength, &terms, at.own_weights)?);
        }
        if needs[2] || (needs[3] && !at.edge_lag) {
            let [strength_bar, lag_bar] = term_sums::over_edges(commands, [weights, strength], &terms)?;
            all[2] = needs[2].then_some(strength_bar);
            all[3] = (needs[3] && !at.edge_lag).then_some(lag_bar);
        }
        if needs[3] && at.edge_lag {
            all[3] = Some(term_sums::of_lags(commands, [weights, strength], &terms)?);
        }
        Ok(all)
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// The energy of phases `theta`, `[B, N]` in radians, coupled over the edges of `graph`, `[B]`, all f32:
    /// `-K_b / (2 q) sum_e w_e cos(q (theta_j - theta_i) - a_e)` over the edges `e` from `j` to `i`, in units of the
    /// strength. Of weights that are equal both ways and no lag its negative gradient is what [`Commands::couple_phases`]
    /// adds to the rates. Operands are as there.
    /// Source: van Hemmen and Wreszinski, J. Stat. Phys. 72 (1993) 145.
    ///
    /// # Errors
    /// `Shape`, `Param`, `Index`, `DType`; as [`Commands::apply`].
    pub fn couple_energy(
        &mut self,
        theta: &Tensor,
        coupling: &EdgeCoupling<&Tensor>,
        graph: &Graph,
        harmonic: u32,
    ) -> Result<Tensor> {
        let EdgeCoupling { weights, strength, lag } = *coupling;
        let shapes = EdgeCoupling { weights: weights.shape(), strength: strength.shape(), lag: lag.shape() };
        let op = CoupleEnergy::new(theta.shape(), &shapes, graph, harmonic)?;
        Ok(self.apply(&op, &[theta, weights, strength, lag])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::couple_energy`](crate::Commands::couple_energy), differentiable in all four operands. The backward
    /// pass needs `2 B E` numbers for its own; nodes of more than 65535 edges are refused there on drivers that end loops
    /// at it.
    ///
    /// # Errors
    /// As [`Commands::couple_energy`](crate::Commands::couple_energy).
    pub fn couple_energy(
        &mut self,
        theta: Var,
        coupling: &EdgeCoupling<Var>,
        graph: &Graph,
        harmonic: u32,
    ) -> Result<Var> {
        let EdgeCoupling { weights, strength, lag } = *coupling;
        let [of_weights, of_strength, of_lag] =
            [self.spec(weights)?.shape, self.spec(strength)?.shape, self.spec(lag)?.shape];
        let shapes = EdgeCoupling { weights: &of_weights[..], strength: &of_strength[..], lag: &of_lag[..] };
        let op = CoupleEnergy::new(&self.spec(theta)?.shape, &shapes, graph, harmonic)?;
        self.apply_one(op, &[theta, weights, strength, lag])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "couple_energy",
    formula: "energy = -K / (2 q) sum over edges e into i of w[e] cos(q (theta_sender - theta_i) - lag)",
    differentiable: true,
    kernels: &[
        &FORWARD,
        &BACKWARD_EDGES,
        &term_sums::NODES,
        &term_sums::LAGS,
        &term_sums::SAMPLES,
        &term_sums::EDGES,
        &super::sum_columns::KERNEL,
        &super::sum_rows::KERNEL,
    ],
    cases,
};

fn cases() -> Vec<Case> {
    let case = |batch: usize, nodes: usize, harmonic: u32, own: bool, degree: usize| {
        let edges: Vec<_> = (0..nodes).flat_map(|i| (0..degree).map(move |d| (i, (i + d) % nodes))).collect();
        let graph = Graph::from_edges(nodes, &edges).ok()?;
        let weights = [if own { batch } else { 1 }, edges.len()];
        let lag = if own { [batch, 1] } else { [1, edges.len()] };
        let shapes = EdgeCoupling { weights: &weights[..], strength: &[batch][..], lag: &lag[..] };
        let op = CoupleEnergy::new(&[batch, nodes], &shapes, &graph, harmonic).ok()?;
        let label = format!("theta {:?} weights {weights:?} lag {lag:?} harmonic {harmonic}", [batch, nodes]);
        let circle = Fill::Between(-std::f64::consts::PI, std::f64::consts::PI);
        Some(Case::new(label, op, vec![circle, Fill::Uniform, Fill::Between(0.5, 2.0), Fill::Uniform]))
    };
    let relabelled = |case: Option<Case>, name: &str, fills: &[(usize, Fill)]| {
        let mut case = case?;
        case.label = format!("{}, {name}", case.label);
        for (at, fill) in fills {
            case.fills[*at] = fill.clone();
        }
        Some(case)
    };
    let mut cases = Vec::new();
    for own in [false, true] {
        cases.extend(case(0, 5, 1, own, 3));
        cases.extend(case(2, 0, 1, own, 0));
        cases.extend(case(2, 6, 1, own, 0));
        cases.extend(case(3, 1, 2, own, 1));
        cases.extend(case(1, 64, 3, own, 1));
        cases.extend(case(131, 3, 1, own, 2));
        // One edge more than a tile.
        cases.extend(case(2, 241, 1, own, 17));
        cases.extend(relabelled(case(2, 33, 1, own, 4), "far", &[(0, Fill::Between(-3000.0, 3000.0))]));
        let mixed = [(0, Fill::Mixed(10)), (1, Fill::Mixed(10)), (2, Fill::Mixed(10))];
        cases.extend(relabelled(case(2, 33, 1, own, 4), "mixed scales", &mixed));
        cases.extend(case(2, 3, 2, own, 2).map(Case::ladder));
        cases.extend(case(4, 16384, 1, own, 16).map(Case::bench));
    }
    cases
}
