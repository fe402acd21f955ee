//! Coupling over the edges of a graph, with a number or an n x n block per edge.

use super::graph::Graph;
use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::Real;
use crate::cpu::couple_sparse::{self as cpu, Extents, Rows};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
#[cfg(feature = "gpu")]
use crate::kernel::DType;
use crate::kernel::{Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Tape, Var};

crate::params! {
    /// Parameters of the kernels over nodes.
    struct Params { len: u32, nodes: u32, n: u32, blocks: u32 }
}

crate::params! {
    /// Parameters of the kernel over edges.
    struct ParamsEdges { len: u32, tiles: u32, batch: u32, nodes: u32, n: u32, blocks: u32 }
}

/// Samples of one tile of the weights' kernel, as in its shader.
#[cfg(feature = "gpu")]
const TILE: usize = 512;

const STATE: &str = "[batch, nodes, n]";
const WEIGHTS: &str = "[nnz] or [nnz, n, n]";

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "couple_sparse",
    source: source!("couple_sparse", "grid"),
    params: Params::FIELDS,
    bindings: &[
        input("x", Elem::Storage, STATE),
        input("w", Elem::Storage, WEIGHTS),
        input("indptr", Elem::U32, "[nodes + 1]"),
        input("indices", Elem::U32, "[nnz]"),
        output("dst", Elem::Storage, STATE),
    ],
    constants: &[],
};

/// Cotangent of the state.
pub static BACKWARD_X: Kernel = Kernel {
    name: "couple_sparse_bwd_x",
    source: source!("couple_sparse_bwd_x", "grid"),
    params: Params::FIELDS,
    bindings: &[
        input("w", Elem::Storage, WEIGHTS),
        input("dst_bar", Elem::Storage, STATE),
        input("indptr_t", Elem::U32, "[nodes + 1]"),
        input("targets", Elem::U32, "[nnz]"),
        input("edges_t", Elem::U32, "[nnz]"),
        output("x_bar", Elem::Storage, STATE),
    ],
    constants: &[],
};

/// Partial sums of the cotangent of the weights; `sum_rows` adds them.
pub static BACKWARD_W: Kernel = Kernel {
    name: "couple_sparse_bwd_w",
    source: source!("couple_sparse_bwd_w", "grid"),
    params: ParamsEdges::FIELDS,
    bindings: &[
        input("x", Elem::Storage, STATE),
        input("dst_bar", Elem::Storage, STATE),
        input("receivers", Elem::U32, "[nnz]"),
        input("indices", Elem::U32, "[nnz]"),
        output("partial", Elem::F32, "[weights, tiles]"),
    ],
    constants: &[],
};

/// A coupling over a fixed graph with fixed extents.
#[derive(Clone, Debug)]
pub struct CoupleSparse {
    graph: Graph,
    extents: Extents,
}

impl CoupleSparse {
    /// A coupling of a state `[B, N, n]` over the edges of `graph` by weights `[nnz]` or `[nnz, n, n]`.
    ///
    /// # Errors
    /// `Shape` if the state does not have three axes or other nodes than the graph, or the weights are not one of the two.
    pub fn new(x: &[usize], weights: &[usize], graph: &Graph) -> Result<CoupleSparse> {
        let refuse = |argument: &str, got: &[usize], wanted: String| {
            Err(Error::argument(ErrorKind::Shape, "couple_sparse", argument, format!("{got:?}"), wanted))
        };
        let (nodes, edges) = (graph.nodes(), graph.edge_count());
        let &[batch, x_nodes, n] = x else { return refuse("x", x, format!("[B, {nodes}, n]")) };
        if x_nodes != nodes {
            return refuse("x", x, format!("[B, {nodes}, n] for a graph of {nodes} nodes"));
        }
        let blocks = match weights {
            [nnz] if *nnz == edges => false,
            [nnz, rows, columns] if [*nnz, *rows, *columns] == [edges, n, n] => true,
            _ => return refuse("weights", weights, format!("[{edges}] or [{edges}, {n}, {n}] for {edges} edges")),
        };
        Ok(CoupleSparse { graph: graph.clone(), extents: Extents { batch, n, blocks } })
    }

    fn rows(&self) -> Rows<'_> {
        Rows { indptr: self.graph.indptr(), indices: self.graph.indices() }
    }

    fn state(&self) -> [usize; 3] {
        [self.extents.batch, self.graph.nodes(), self.extents.n]
    }

    fn weights(&self) -> Vec<usize> {
        let (edges, n) = (self.graph.edge_count(), self.extents.n);
        if self.extents.blocks { vec![edges, n, n] } else { vec![edges] }
    }
}

#[cfg(feature = "gpu")]
impl CoupleSparse {
    fn params(&self, len: usize) -> Params {
        let [_, nodes, n] = self.state().map(|v| v as u32);
        Params { len: len as u32, nodes, n, blocks: self.extents.blocks.into() }
    }

    /// Floating-point operations of one pass: a multiplication and an addition per weight, sample and component.
    fn flops(&self) -> usize {
        let e = &self.extents;
        2 * e.batch * self.graph.edge_count() * e.n * if e.blocks { e.n } else { 1 }
    }

    /// A kernel over the nodes whose longest row has `longest` edges.
    fn over_nodes(&self, len: usize, longest: usize) -> Work {
        let each = if self.extents.blocks { 1 + self.extents.n } else { 1 };
        Work::invocations(len).rounds(longest * each).flops(self.flops())
    }

    fn weights_bar(&self, commands: &mut Commands, x: &Tensor, g: &Tensor, dtype: DType) -> Result<Tensor> {
        let graph = self.graph.on(commands.context())?;
        let e = &self.extents;
        let shape = self.weights();
        let (weights, tiles) = (shape.iter().product::<usize>(), e.batch.div_ceil(TILE));
        // One tile is the sum already.
        let partial_shape = if tiles == 1 { shape.clone() } else { vec![weights, tiles] };
        let partial = commands.empty(&partial_shape, DType::F32)?;
        let [batch, nodes, n] = self.state().map(|v| v as u32);
        let (len, tiles_u32) = (partial.len() as u32, tiles as u32);
        let params = ParamsEdges { len, tiles: tiles_u32, batch, nodes, n, blocks: e.blocks.into() };
        let binds = [read(x), read(g), read(&graph.receivers), read(&graph.indices), write(&partial)];
        let rounds = TILE * if e.blocks { 1 } else { 1 + e.n };
        let work = Work::invocations(partial.len()).rounds(rounds).flops(self.flops());
        commands.dispatch(&BACKWARD_W, dtype, &[], &params, &binds, work)?;
        if tiles == 1 {
            return Ok(partial);
        }
        super::sum_rows::sum_rows(commands, &partial, 0, tiles, &shape)
    }
}

impl Op for CoupleSparse {
    fn name(&self) -> &'static str {
        "couple_sparse"
    }
    fn inputs(&self) -> Vec<Port> {
        vec![Port::storage("x", &self.state()), Port::storage("weights", &self.weights())]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::storage("dst", &self.state())]
    }
    fn parameters(&self) -> &'static [&'static str] {
        &["weights"]
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(inputs[0], inputs[1], &self.rows(), &self.extents)]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        cpu::backward(inputs[0], inputs[1], cotangents[0], &self.rows(), &self.extents).into()
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], dtype: DType) -> Result<Vec<Tensor>> {
        let graph = self.graph.on(commands.context())?;
        let dst = commands.empty(&self.state(), dtype)?;
        let binds = [read(inputs[0]), read(inputs[1]), read(&graph.indptr), read(&graph.indices), write(&dst)];
        let work = self.over_nodes(dst.len(), self.graph.longest()[0]);
        commands.dispatch(&FORWARD, dtype, &[], &self.params(dst.len()), &binds, work)?;
        Ok(vec![dst])
    }
    #[cfg(feature = "gpu")]
    fn backward(
        &self,
        commands: &mut Commands,
        inputs: &[&Tensor],
        cotangents: &[Option<&Tensor>],
        needs: &[bool],
        dtype: DType,
    ) -> Result<Vec<Option<Tensor>>> {
        let mut all = vec![None, None];
        let Some(g) = cotangents[0] else { return Ok(all) };
        if needs[0] {
            let graph = self.graph.on(commands.context())?;
            let x_bar = commands.empty(&self.state(), dtype)?;
            let structure = [read(&graph.indptr_t), read(&graph.targets), read(&graph.edges_t)];
            let binds = [read(inputs[1]), read(g), structure[0], structure[1], structure[2], write(&x_bar)];
            let work = self.over_nodes(x_bar.len(), self.graph.longest()[1]);
            commands.dispatch(&BACKWARD_X, dtype, &[], &self.params(x_bar.len()), &binds, work)?;
            all[0] = Some(x_bar);
        }
        if needs[1] {
            all[1] = Some(self.weights_bar(commands, inputs[0], g, dtype)?);
        }
        Ok(all)
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `J x` for a `J` on the edges of `graph`: `x` `[B, N, n]`, `weights` `[nnz]` (a number per edge) or `[nnz, n, n]` (a
    /// block, `[receiver's component, sender's component]`), in the order of [`Graph::edges`].
    ///
    /// The graph is uploaded at its first use with a context.
    ///
    /// # Errors
    /// `Shape`, `DType`; `Limit` for a node of more than 65535 edges on drivers that end loops there; as
    /// [`Commands::apply`].
    pub fn couple_sparse(&mut self, x: &Tensor, weights: &Tensor, graph: &Graph) -> Result<Tensor> {
        Ok(self.apply(&CoupleSparse::new(x.shape(), weights.shape(), graph)?, &[x, weights])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::couple_sparse`](crate::Commands::couple_sparse), differentiable in both operands; the gradient of
    /// the weights is f32.
    ///
    /// # Errors
    /// As [`Commands::couple_sparse`](crate::Commands::couple_sparse).
    pub fn couple_sparse(&mut self, x: Var, weights: Var, graph: &Graph) -> Result<Var> {
        let op = CoupleSparse::new(&self.spec(x)?.shape, &self.spec(weights)?.shape, graph)?;
        self.apply_one(op, &[x, weights])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "couple_sparse",
    formula: "dst[b,i] = sum over edges e into i of w[e] x[b,sender(e)]",
    differentiable: true,
    kernels: &[&FORWARD, &BACKWARD_X, &BACKWARD_W, &super::sum_rows::KERNEL],
    cases,
};

/// Everybody listens to the `degree` next nodes of a ring, the node itself among them.
fn ring(nodes: usize, degree: usize) -> Vec<(usize, usize)> {
    (0..nodes).flat_map(|i| (0..degree).map(move |d| (i, (i + d) % nodes))).collect()
}

/// A hub that listens to all and to which all listen, and a last node without edges.
fn star(nodes: usize) -> Vec<(usize, usize)> {
    (1..nodes - 1).flat_map(|i| [(0, i), (i, 0)]).collect()
}

fn cases() -> Vec<Case> {
    let case = |batch: usize, nodes: usize, n: usize, blocks: bool, name: &str, edges: &[(usize, usize)]| {
        let graph = Graph::from_edges(nodes, edges).ok()?;
        let weights = if blocks { vec![edges.len(), n, n] } else { vec![edges.len()] };
        let op = CoupleSparse::new(&[batch, nodes, n], &weights, &graph).ok()?;
        let label = format!("x {:?} weights {weights:?} {name}", [batch, nodes, n]);
        Some(Case::new(label, op, vec![Fill::Uniform, Fill::Uniform]).linear())
    };
    let mut cases = Vec::new();
    for blocks in [false, true] {
        cases.extend(case(0, 5, 2, blocks, "ring", &ring(5, 3)));
        cases.extend(case(2, 0, 2, blocks, "no nodes", &[]));
        cases.extend(case(1, 1, 1, blocks, "alone", &[]));
        cases.extend(case(3, 1, 3, blocks, "self loop", &[(0, 0)]));
        cases.extend(case(2, 6, 4, blocks, "no edges", &[]));
        cases.extend(case(2, 9, 2, blocks, "one edge", &[(7, 2)]));
        cases.extend(case(2, 67, 3, blocks, "star", &star(67)));
        cases.extend(case(1, 8, 5, blocks, "complete", &ring(8, 8)));
        cases.extend(case(513, 3, 2, blocks, "two tiles of samples", &ring(3, 2)));
        cases.extend(case(2, 3, 2, blocks, "ladder", &[(0, 1), (2, 0), (2, 2)]).map(Case::ladder));
        cases.extend(case(8, 1024, 4, blocks, "ring", &ring(1024, 16)).map(Case::bench));
    }
    let mixed =
        |case: Case| Case { label: format!("{}, mixed scales", case.label), fills: vec![Fill::Mixed(20); 2], ..case };
    cases.extend(case(2, 7, 3, true, "ring", &ring(7, 4)).map(mixed));
    cases
}
