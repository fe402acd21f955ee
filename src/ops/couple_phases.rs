//! Kuramoto coupling of phases over the edges of a graph.

use super::graph::Graph;
use super::layout::indexable;
use super::spec::{Op, OpSpec, Port};
#[cfg(feature = "gpu")]
use super::sum_columns::sum_columns;
#[cfg(feature = "gpu")]
use super::term_sums;
use crate::cpu::Real;
use crate::cpu::couple_phases::{self as cpu, Extents, Operands};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
use crate::kernel::DType;
use crate::tape::{Tape, Var};

#[path = "couple_phases_cases.rs"]
mod cases;
#[path = "couple_phases_contracts.rs"]
mod contracts;
#[cfg(feature = "gpu")]
#[path = "couple_phases_device.rs"]
mod device;

#[cfg(feature = "gpu")]
use contracts::Params;
pub use contracts::{BACKWARD, BACKWARD_EDGES, BACKWARD_LAG, FORWARD};

/// The highest harmonic: wrapped phases stay within the 10,000 radians that sines are accurate to.
const HARMONICS: u32 = 1000;

/// What a coupling over edges has besides its phases, as tensors or variables, all of them f32.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EdgeCoupling<T> {
    /// `[1, E]`, shared by the samples, or `[B, E]`: the weight of each edge, in the order of [`Graph::edges`].
    pub weights: T,
    /// `[B]`: the strength of all edges of a sample, in radians per unit of time.
    pub strength: T,
    /// `[B, 1]` or `[1, E]`: the lag of the phases, in radians; zero for none.
    pub lag: T,
}

/// A coupling over a fixed graph with fixed extents.
#[derive(Clone, Debug)]
pub struct CouplePhases {
    pub(super) graph: Graph,
    pub(super) at: Extents,
}

impl CouplePhases {
    /// A coupling of phases `theta`, `[B, N]`, with rates `base`, `[N]` or `[B, N]`, over the edges of `graph` by the
    /// sine of `harmonic` times their difference; the extents in `coupling` are those of [`EdgeCoupling`].
    ///
    /// # Errors
    /// `Shape` for other extents, `Param` for a harmonic of 0 or above 1000, `Index` for more elements than 32-bit
    /// indices reach.
    pub fn new(
        theta: &[usize],
        base: &[usize],
        coupling: &EdgeCoupling<&[usize]>,
        graph: &Graph,
        harmonic: u32,
    ) -> Result<CouplePhases> {
        CouplePhases::of("couple_phases", theta, base, coupling, graph, harmonic)
    }

    /// As [`CouplePhases::new`] for an `op` whose operands are those of a coupling.
    pub(super) fn of(
        op: &str,
        theta: &[usize],
        base: &[usize],
        coupling: &EdgeCoupling<&[usize]>,
        graph: &Graph,
        harmonic: u32,
    ) -> Result<CouplePhases> {
        let refuse = |argument: &str, got: &[usize], wanted: String| {
            Err(Error::argument(ErrorKind::Shape, op, argument, format!("{got:?}"), wanted))
        };
        let (nodes, edges) = (graph.nodes(), graph.edge_count());
        let &[batch, theta_nodes] = theta else { return refuse("theta", theta, format!("[B, {nodes}]")) };
        if theta_nodes != nodes {
            return refuse("theta", theta, format!("[B, {nodes}] for a graph of {nodes} nodes"));
        }
        let own_base = match base {
            [n] if *n == nodes => false,
            [b, n] if [*b, *n] == [batch, nodes] => true,
            _ => return refuse("base", base, format!("[{nodes}] or [{batch}, {nodes}]")),
        };
        let own_weights = match coupling.weights {
            [1, e] if *e == edges => false,
            [b, e] if [*b, *e] == [batch, edges] => true,
            other => return refuse("weights", other, format!("[1, {edges}] or [{batch}, {edges}] for {edges} edges")),
        };
        if coupling.strength != [batch] {
            return refuse("strength", coupling.strength, format!("[{batch}]"));
        }
        let edge_lag = match coupling.lag {
            [b, 1] if *b == batch => false,
            [1, e] if *e == edges => true,
            other => return refuse("lag", other, format!("[{batch}, 1] or [1, {edges}]")),
        };
        if harmonic == 0 || harmonic > HARMONICS {
            let wanted = format!("1 to {HARMONICS}");
            return Err(Error::argument(ErrorKind::Param, op, "harmonic", harmonic, wanted));
        }
        indexable(op, theta)?;
        indexable(&format!("{op}: the weights"), coupling.weights)?;
        let at = Extents { batch, nodes, edges, harmonic, own_base, own_weights, edge_lag };
        Ok(CouplePhases { graph: graph.clone(), at })
    }

    pub(super) fn theta_shape(&self) -> [usize; 2] {
        [self.at.batch, self.at.nodes]
    }

    fn base_shape(&self) -> Vec<usize> {
        if self.at.own_base { self.theta_shape().to_vec() } else { vec![self.at.nodes] }
    }

    pub(super) fn weights_shape(&self) -> [usize; 2] {
        [if self.at.own_weights { self.at.batch } else { 1 }, self.at.edges]
    }

    pub(super) fn lag_shape(&self) -> [usize; 2] {
        if self.at.edge_lag { [1, self.at.edges] } else { [self.at.batch, 1] }
    }

    pub(super) fn pairs(&self) -> Vec<(usize, usize)> {
        self.graph.edges().collect()
    }
}

fn operands<'a, R>(inputs: &[&'a [R]]) -> Operands<'a, R> {
    Operands { theta: inputs[0], base: inputs[1], weights: inputs[2], strength: inputs[3], lag: inputs[4] }
}

impl Op for CouplePhases {
    fn name(&self) -> &'static str {
        "couple_phases"
    }
    fn inputs(&self) -> Vec<Port> {
        vec![
            Port::f32("theta", &self.theta_shape()),
            Port::f32("base", &self.base_shape()),
            Port::f32("weights", &self.weights_shape()),
            Port::f32("strength", &[self.at.batch]),
            Port::f32("lag", &self.lag_shape()),
        ]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::f32("rate", &self.theta_shape())]
    }
    fn dtype(&self) -> Option<DType> {
        Some(DType::F32)
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![cpu::forward(&operands(inputs), &self.pairs(), &self.at)]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        cpu::backward(&operands(inputs), cotangents[0], &self.pairs(), &self.at).into()
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], _: DType) -> Result<Vec<Tensor>> {
        let &[theta, base, weights, strength, lag] = inputs else { return Ok(vec![]) };
        let graph = self.graph.on(commands.context())?;
        let rate = commands.empty(&self.theta_shape(), DType::F32)?;
        let params = Params {
            len: rate.len() as u32,
            nodes: self.at.nodes as u32,
            base_stride: if self.at.own_base { self.at.nodes as u32 } else { 0 },
            weights_stride: self.weights_stride(),
            lag_sample: (!self.at.edge_lag).into(),
            lag_edge: self.at.edge_lag.into(),
            harmonic: self.at.harmonic as f32,
        };
        let structure = [read(&graph.indptr), read(&graph.indices), write(&rate)];
        let binds =
            [&[read(theta), read(base), read(weights), read(strength), read(lag)], structure.as_slice()].concat();
        let flops = 33 * self.pairs_of_samples() + 2 * rate.len();
        let work = Work::invocations(rate.len()).rounds(self.graph.longest()[0]).flops(flops);
        commands.dispatch(&FORWARD, DType::F32, &[], &params, &binds, work)?;
        Ok(vec![rate])
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
        let (&[theta, _, weights, strength, lag], Some(g)) = (inputs, cotangents[0]) else { return Ok(all) };
        if needs[1] {
            let shared = !self.at.own_base;
            all[1] = Some(if shared { sum_columns(commands, g, 0, &self.base_shape())? } else { g.clone() });
        }
        if ![0, 2, 3, 4].iter().any(|at| needs[*at]) {
            return Ok(all);
        }
        let terms = self.terms(commands, theta, lag, g)?;
        if needs[0] {
            all[0] = Some(self.theta_bar(commands, [weights, strength], &terms)?);
        }
        if needs[2] {
            all[2] = Some(term_sums::over_samples(commands, strength, &terms, self.at.own_weights)?);
        }
        if needs[3] || (needs[4] && !self.at.edge_lag) {
            let [strength_bar, lag_bar] = term_sums::over_edges(commands, [weights, strength], &terms)?;
            all[3] = needs[3].then_some(strength_bar);
            all[4] = (needs[4] && !self.at.edge_lag).then_some(lag_bar);
        }
        if needs[4] && self.at.edge_lag {
            all[4] = Some(self.edge_lag_bar(commands, [weights, strength], &terms)?);
        }
        Ok(all)
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// The rates of phases `theta`, `[B, N]` in radians, coupled over the edges of `graph`, all f32:
    /// `base_i + K_b sum_e w_e sin(q (theta_j - theta_i) - a_e)` over the edges `e` from `j` to `i`, with the harmonic `q`
    /// in 1 to 1000. `base`, `[N]` or `[B, N]`, are the rates without a coupling, in radians per unit of time. Sines are
    /// within 3e-7 for arguments of at most 10,000. The graph is uploaded at its first use with a context.
    /// Source: Y. Kuramoto, Chemical Oscillations, Waves, and Turbulence (1984); lags after Sakaguchi and Kuramoto (1986).
    ///
    /// # Errors
    /// `Shape`, `Param`, `Index`, `DType`; `Limit` for a node of more than 65535 edges on drivers that end loops there; as
    /// [`Commands::apply`].
    pub fn couple_phases(
        &mut self,
        theta: &Tensor,
        base: &Tensor,
        coupling: &EdgeCoupling<&Tensor>,
        graph: &Graph,
        harmonic: u32,
    ) -> Result<Tensor> {
        let EdgeCoupling { weights, strength, lag } = *coupling;
        let shapes = EdgeCoupling { weights: weights.shape(), strength: strength.shape(), lag: lag.shape() };
        let op = CouplePhases::new(theta.shape(), base.shape(), &shapes, graph, harmonic)?;
        Ok(self.apply(&op, &[theta, base, weights, strength, lag])?.remove(0))
    }
}

impl Tape {
    /// As [`Commands::couple_phases`](crate::Commands::couple_phases), differentiable in all five operands. The backward
    /// pass needs `2 B E` numbers for its own.
    ///
    /// # Errors
    /// As [`Commands::couple_phases`](crate::Commands::couple_phases).
    pub fn couple_phases(
        &mut self,
        theta: Var,
        base: Var,
        coupling: &EdgeCoupling<Var>,
        graph: &Graph,
        harmonic: u32,
    ) -> Result<Var> {
        let EdgeCoupling { weights, strength, lag } = *coupling;
        let [of_weights, of_strength, of_lag] =
            [self.spec(weights)?.shape, self.spec(strength)?.shape, self.spec(lag)?.shape];
        let shapes = EdgeCoupling { weights: &of_weights[..], strength: &of_strength[..], lag: &of_lag[..] };
        let op = CouplePhases::new(&self.spec(theta)?.shape, &self.spec(base)?.shape, &shapes, graph, harmonic)?;
        self.apply_one(op, &[theta, base, weights, strength, lag])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "couple_phases",
    formula: "rate_i = base_i + K sum over edges e into i of w[e] sin(q (theta_sender - theta_i) - lag)",
    differentiable: true,
    kernels: &[
        &FORWARD,
        &BACKWARD_EDGES,
        &BACKWARD,
        &BACKWARD_LAG,
        &super::term_sums::SAMPLES,
        &super::term_sums::EDGES,
        &super::sum_columns::KERNEL,
        &super::sum_rows::KERNEL,
    ],
    cases: cases::cases,
};
