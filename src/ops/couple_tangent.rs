//! The derivative of Kuramoto coupling over the edges of a graph along a tangent of the phases.

use super::graph::Graph;
use super::over_edges::{EdgeCoupling, OverEdges};
use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::Real;
use crate::cpu::couple_phases::Operands;
use crate::cpu::couple_tangent as cpu;
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
use crate::kernel::{DType, Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Tape, Var};

crate::params! {
    /// Parameters of the kernel.
    struct Params {
        len: u32,
        nodes: u32,
        weights_stride: u32,
        lag_sample: u32,
        lag_edge: u32,
        harmonic: f32,
    }
}

const PHASES: &str = "[batch, nodes]";

/// The kernel.
pub static KERNEL: Kernel = Kernel {
    name: "couple_tangent",
    source: source!("couple_tangent", "grid", "sincos"),
    params: Params::FIELDS,
    bindings: &[
        input("theta", Elem::F32, PHASES),
        input("tangent", Elem::F32, PHASES),
        input("weights", Elem::F32, "[1, nnz] or [batch, nnz]"),
        input("strength", Elem::F32, "[batch]"),
        input("lag", Elem::F32, "[batch, 1] or [1, nnz]"),
        input("indptr", Elem::U32, "[nodes + 1]"),
        input("indices", Elem::U32, "[nnz]"),
        output("dst", Elem::F32, PHASES),
    ],
    constants: &[],
};

/// The derivative of a coupling over a fixed graph with fixed extents.
#[derive(Clone, Debug)]
pub struct CoupleTangent {
    over: OverEdges,
}

impl CoupleTangent {
    /// The derivative at phases `theta`, `[B, N]`, coupled over the edges of `graph`.
    ///
    /// # Errors
    /// `Shape` for other extents, `Param` for a harmonic of 0 or above 1000, `Index` for more elements than 32-bit
    /// indices reach.
    pub fn new(
        theta: &[usize],
        coupling: &EdgeCoupling<&[usize]>,
        graph: &Graph,
        harmonic: u32,
    ) -> Result<CoupleTangent> {
        let over = OverEdges::of("couple_tangent", theta, &[graph.nodes()], coupling, graph, harmonic)?;
        Ok(CoupleTangent { over })
    }
}

impl Op for CoupleTangent {
    fn name(&self) -> &'static str {
        "couple_tangent"
    }
    fn inputs(&self) -> Vec<Port> {
        vec![
            Port::f32("theta", &self.over.theta_shape()),
            Port::f32("tangent", &self.over.theta_shape()),
            Port::f32("weights", &self.over.weights_shape()),
            Port::f32("strength", &[self.over.at.batch]),
            Port::f32("lag", &self.over.lag_shape()),
        ]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::f32("dst", &self.over.theta_shape())]
    }
    fn dtype(&self) -> Option<DType> {
        Some(DType::F32)
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        let x = Operands { theta: inputs[0], base: &[], weights: inputs[2], strength: inputs[3], lag: inputs[4] };
        vec![cpu::forward(&x, inputs[1], &self.over.pairs(), &self.over.at)]
    }
    fn reference_vjp<R: Real>(&self, _: &[&[R]], _: &[&[R]]) -> Vec<Vec<R>> {
        vec![]
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], _: DType) -> Result<Vec<Tensor>> {
        let at = &self.over.at;
        let graph = self.over.graph.on(commands.context())?;
        let dst = commands.empty(&self.over.theta_shape(), DType::F32)?;
        let params = Params {
            len: dst.len() as u32,
            nodes: at.nodes as u32,
            weights_stride: self.over.weights_stride(),
            lag_sample: (!at.edge_lag).into(),
            lag_edge: at.edge_lag.into(),
            harmonic: at.harmonic as f32,
        };
        let mut binds: Vec<_> = inputs.iter().map(|input| read(input)).collect();
        binds.extend([read(&graph.indptr), read(&graph.indices), write(&dst)]);
        let flops = 35 * self.over.pairs_of_samples() + 2 * dst.len();
        let work = Work::invocations(dst.len()).rounds(self.over.graph.longest()[0]).flops(flops);
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
    /// The derivative of the rates of [`Commands::couple_phases`] at phases `theta` along `tangent`, both `[B, N]`, all f32:
    /// `q K_b sum_e w_e cos(q (theta_j - theta_i) - a_e) (v_j - v_i)` over the edges `e` from `j` to `i`. Other operands are
    /// as there; what it gives is in units of `tangent` per unit of time.
    /// Source: for Lyapunov exponents Benettin, Galgani, Giorgilli and Strelcyn, Meccanica 15 (1980) 9.
    ///
    /// # Errors
    /// `Shape`, `Param`, `Index`, `DType`; `Limit` for a node of more than 65535 edges on drivers that end loops there; as
    /// [`Commands::apply`].
    pub fn couple_tangent(
        &mut self,
        theta: &Tensor,
        tangent: &Tensor,
        coupling: &EdgeCoupling<&Tensor>,
        graph: &Graph,
        harmonic: u32,
    ) -> Result<Tensor> {
        let EdgeCoupling { weights, strength, lag } = *coupling;
        let shapes = EdgeCoupling { weights: weights.shape(), strength: strength.shape(), lag: lag.shape() };
        let op = CoupleTangent::new(theta.shape(), &shapes, graph, harmonic)?;
        Ok(self.apply(&op, &[theta, tangent, weights, strength, lag])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::couple_tangent`](crate::Commands::couple_tangent); no gradient passes through it.
    ///
    /// # Errors
    /// As [`Commands::couple_tangent`](crate::Commands::couple_tangent).
    pub fn couple_tangent(
        &mut self,
        theta: Var,
        tangent: Var,
        coupling: &EdgeCoupling<Var>,
        graph: &Graph,
        harmonic: u32,
    ) -> Result<Var> {
        let EdgeCoupling { weights, strength, lag } = *coupling;
        let [of_weights, of_strength, of_lag] =
            [self.spec(weights)?.shape, self.spec(strength)?.shape, self.spec(lag)?.shape];
        let shapes = EdgeCoupling { weights: &of_weights[..], strength: &of_strength[..], lag: &of_lag[..] };
        let op = CoupleTangent::new(&self.spec(theta)?.shape, &shapes, graph, harmonic)?;
        self.apply_one(op, &[theta, tangent, weights, strength, lag])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "couple_tangent",
    formula: "dst_i = q K sum over edges e into i of w[e] cos(q (theta_sender - theta_i) - lag) (tangent_sender - tangent_i)",
    differentiable: false,
    kernels: &[&KERNEL],
    cases,
};

fn cases() -> Vec<Case> {
    let case = |batch: usize, nodes: usize, harmonic: u32, own: bool, degree: usize| {
        let edges: Vec<_> = (0..nodes).flat_map(|i| (0..degree).map(move |d| (i, (i + 3 * d) % nodes))).collect();
        let graph = Graph::from_edges(nodes, &edges).ok()?;
        let weights = [if own { batch } else { 1 }, edges.len()];
        let lag = if own { [batch, 1] } else { [1, edges.len()] };
        let shapes = EdgeCoupling { weights: &weights[..], strength: &[batch][..], lag: &lag[..] };
        let op = CoupleTangent::new(&[batch, nodes], &shapes, &graph, harmonic).ok()?;
        let label = format!("theta {:?} weights {weights:?} lag {lag:?} harmonic {harmonic}", [batch, nodes]);
        let circle = Fill::Between(-std::f64::consts::PI, std::f64::consts::PI);
        Some(Case::new(label, op, vec![circle, Fill::Uniform, Fill::Uniform, Fill::Between(0.5, 2.0), Fill::Uniform]))
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
        cases.extend(case(0, 5, 1, own, 1));
        cases.extend(case(2, 0, 1, own, 0));
        cases.extend(case(2, 6, 1, own, 0));
        cases.extend(case(3, 1, 2, own, 1));
        cases.extend(case(1, 64, 3, own, 5));
        cases.extend(case(131, 4, 1, own, 2));
        cases.extend(case(2, 260, 1, own, 17));
        cases.extend(relabelled(case(2, 35, 1, own, 4), "far", &[(0, Fill::Between(-3000.0, 3000.0))]));
        let mixed = [(0, Fill::Mixed(10)), (1, Fill::Mixed(10)), (2, Fill::Mixed(10)), (3, Fill::Mixed(10))];
        cases.extend(relabelled(case(2, 35, 1, own, 4), "mixed scales", &mixed));
        cases.extend(relabelled(case(2, 35, 1, own, 4), "a shift", &[(1, Fill::Values(vec![0.75]))]));
        cases.extend(case(4, 16384, 1, own, 16).map(Case::bench));
    }
    cases
}
