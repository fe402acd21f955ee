//! Weights that follow the phases they couple.

use super::graph::Graph;
use super::layout::indexable;
use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::Real;
use crate::cpu::adapt_coupling::{self as cpu, Adaptation};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
use crate::kernel::{DType, Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Tape, Var};

crate::params! {
    /// Parameters of the kernel.
    struct Params { len: u32, nodes: u32, edges: u32, rate: f32, decay: f32, lag: f32 }
}

const WEIGHTS: &str = "[batch, nnz]";

/// The kernel.
pub static KERNEL: Kernel = Kernel {
    name: "adapt_coupling",
    source: source!("adapt_coupling", "grid", "sincos"),
    params: Params::FIELDS,
    bindings: &[
        input("weights", Elem::F32, WEIGHTS),
        input("theta", Elem::F32, "[batch, nodes]"),
        input("h", Elem::F32, "[batch]"),
        input("receivers", Elem::U32, "[nnz]"),
        input("indices", Elem::U32, "[nnz]"),
        output("dst", Elem::F32, WEIGHTS),
    ],
    constants: &[],
};

/// A step of the weights of a fixed graph with fixed extents.
#[derive(Clone, Debug)]
pub struct AdaptCoupling {
    graph: Graph,
    batch: usize,
    rule: Adaptation,
}

impl AdaptCoupling {
    /// A step of weights of extents `weights`, `[B, E]`.
    ///
    /// # Errors
    /// `Shape` if there are not as many as edges, `Param` for a rule that is not finite, `Index` past 32 bits.
    pub fn new(weights: &[usize], graph: &Graph, rule: &Adaptation) -> Result<AdaptCoupling> {
        let edges = graph.edge_count();
        let batch = match weights {
            [batch, e] if *e == edges => *batch,
            _ => {
                let (got, wanted) = (format!("{weights:?}"), format!("[B, {edges}] for {edges} edges"));
                return Err(Error::argument(ErrorKind::Shape, "adapt_coupling", "weights", got, wanted));
            }
        };
        for (argument, value) in [("rate", rule.rate), ("decay", rule.decay), ("lag", rule.lag)] {
            super::finite("adapt_coupling", argument, value)?;
        }
        indexable("adapt_coupling", weights)?;
        indexable("adapt_coupling: the phases", &[batch, graph.nodes()])?;
        Ok(AdaptCoupling { graph: graph.clone(), batch, rule: *rule })
    }

    fn weights_shape(&self) -> [usize; 2] {
        [self.batch, self.graph.edge_count()]
    }
}

impl Op for AdaptCoupling {
    fn name(&self) -> &'static str {
        "adapt_coupling"
    }
    fn inputs(&self) -> Vec<Port> {
        vec![
            Port::f32("weights", &self.weights_shape()),
            Port::f32("theta", &[self.batch, self.graph.nodes()]),
            Port::f32("h", &[self.batch]),
        ]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::f32("dst", &self.weights_shape())]
    }
    fn dtype(&self) -> Option<DType> {
        Some(DType::F32)
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        let edges: Vec<_> = self.graph.edges().collect();
        vec![cpu::forward(inputs[0], inputs[1], inputs[2], &edges, &self.rule)]
    }
    fn reference_vjp<R: Real>(&self, _: &[&[R]], _: &[&[R]]) -> Vec<Vec<R>> {
        vec![]
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], _: DType) -> Result<Vec<Tensor>> {
        let graph = self.graph.on(commands.context())?;
        let dst = commands.empty(&self.weights_shape(), DType::F32)?;
        let Adaptation { rate, decay, lag } = self.rule;
        let [len, nodes, edges] = [dst.len(), self.graph.nodes(), self.graph.edge_count()].map(|v| v as u32);
        let mut binds: Vec<_> = inputs.iter().map(|input| read(input)).collect();
        binds.extend([read(&graph.receivers), read(&graph.indices), write(&dst)]);
        let work = Work::invocations(dst.len()).flops(36 * dst.len());
        let params = Params { len, nodes, edges, rate, decay, lag };
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
    /// One step of Euler's scheme for the weights `[B, E]` of the edges of `graph`, which follow the phases `theta`, `[B, N]`
    /// in radians: `w_e + h_b rate (sin(theta_j - theta_i + lag) - decay w_e)` for the edge `e` from `j` to `i`, with step
    /// sizes `h` `[B]`, all f32.
    /// Source: Berner, Schöll and Yanchuk, SIAM J. Appl. Dyn. Syst. 18 (2019) 2227.
    ///
    /// # Errors
    /// `Shape`, `Param`, `Index`, `DType`; as [`Commands::apply`].
    pub fn adapt_coupling(
        &mut self,
        weights: &Tensor,
        theta: &Tensor,
        h: &Tensor,
        graph: &Graph,
        rule: &Adaptation,
    ) -> Result<Tensor> {
        let op = AdaptCoupling::new(weights.shape(), graph, rule)?;
        Ok(self.apply(&op, &[weights, theta, h])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::adapt_coupling`](crate::Commands::adapt_coupling); no gradient passes through it.
    ///
    /// # Errors
    /// As [`Commands::adapt_coupling`](crate::Commands::adapt_coupling).
    pub fn adapt_coupling(
        &mut self,
        weights: Var,
        theta: Var,
        h: Var,
        graph: &Graph,
        rule: &Adaptation,
    ) -> Result<Var> {
        let op = AdaptCoupling::new(&self.spec(weights)?.shape, graph, rule)?;
        self.apply_one(op, &[weights, theta, h])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "adapt_coupling",
    formula: "dst[e] = w[e] + h rate (sin(theta_sender - theta_receiver + lag) - decay w[e])",
    differentiable: false,
    kernels: &[&KERNEL],
    cases,
};

fn cases() -> Vec<Case> {
    let case = |batch: usize, nodes: usize, degree: usize, label: &str, theta: Fill, weights: Fill| {
        let edges: Vec<_> = (0..nodes).flat_map(|i| (0..degree).map(move |d| (i, (i + d) % nodes))).collect();
        let graph = Graph::from_edges(nodes, &edges).ok()?;
        let rule = Adaptation { rate: 0.125, decay: 0.75, lag: 0.5 };
        let op = AdaptCoupling::new(&[batch, edges.len()], &graph, &rule).ok()?;
        let label = format!("{batch} samples, {graph:?}{label}");
        Some(Case::new(label, op, vec![weights, theta, Fill::Between(0.01, 0.5)]))
    };
    let circle = || Fill::Between(-std::f64::consts::PI, std::f64::consts::PI);
    let mut cases = Vec::new();
    for (batch, nodes, degree) in
        [(0, 4, 2), (2, 0, 0), (2, 6, 0), (1, 1, 1), (3, 7, 3), (1, 64, 1), (2, 65, 5), (9, 260, 2)]
    {
        cases.extend(case(batch, nodes, degree, "", circle(), Fill::Uniform));
    }
    cases.extend(case(2, 33, 4, ", far", Fill::Between(-3000.0, 3000.0), Fill::Uniform));
    cases.extend(case(2, 33, 4, ", mixed scales", Fill::Mixed(10), Fill::Mixed(10)));
    cases.extend(case(2, 33, 4, ", from nothing", circle(), Fill::Zero));
    cases.extend(case(4, 16384, 16, "", circle(), Fill::Uniform).map(Case::bench));
    cases
}
