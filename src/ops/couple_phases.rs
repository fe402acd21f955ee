//! Kuramoto coupling of phases over the edges of a graph.

use super::graph::Graph;
pub use super::over_edges::EdgeCoupling;
use super::over_edges::OverEdges;
use super::spec::{Op, OpSpec, Port};
#[cfg(feature = "gpu")]
use super::sum_columns::sum_columns;
#[cfg(feature = "gpu")]
use super::term_sums;
use crate::cpu::Real;
use crate::cpu::couple_phases::{self as cpu, Operands};
use crate::error::Result;
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
pub use contracts::{BACKWARD_EDGES, FORWARD};

/// A coupling over a fixed graph with fixed extents.
#[derive(Clone, Debug)]
pub struct CouplePhases {
    over: OverEdges,
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
        let over = OverEdges::of("couple_phases", theta, base, coupling, graph, harmonic)?;
        Ok(CouplePhases { over })
    }

    fn base_shape(&self) -> Vec<usize> {
        if self.over.at.own_base { self.over.theta_shape().to_vec() } else { vec![self.over.at.nodes] }
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
            Port::f32("theta", &self.over.theta_shape()),
            Port::f32("base", &self.base_shape()),
            Port::f32("weights", &self.over.weights_shape()),
            Port::f32("strength", &[self.over.at.batch]),
            Port::f32("lag", &self.over.lag_shape()),
        ]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::f32("rate", &self.over.theta_shape())]
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
        let &[theta, base, weights, strength, lag] = inputs else { return Ok(vec![]) };
        let graph = self.over.graph.on(commands.context())?;
        let rate = commands.empty(&self.over.theta_shape(), DType::F32)?;
        let params = Params {
            len: rate.len() as u32,
            nodes: self.over.at.nodes as u32,
            base_stride: if self.over.at.own_base { self.over.at.nodes as u32 } else { 0 },
            weights_stride: self.over.weights_stride(),
            lag_sample: (!self.over.at.edge_lag).into(),
            lag_edge: self.over.at.edge_lag.into(),
            harmonic: self.over.at.harmonic as f32,
        };
        let structure = [read(&graph.indptr), read(&graph.indices), write(&rate)];
        let binds =
            [&[read(theta), read(base), read(weights), read(strength), read(lag)], structure.as_slice()].concat();
        let flops = 33 * self.over.pairs_of_samples() + 2 * rate.len();
        let work = Work::invocations(rate.len()).rounds(self.over.graph.longest()[0]).flops(flops);
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
            let shared = !self.over.at.own_base;
            all[1] = Some(if shared { sum_columns(commands, g, 0, &self.base_shape())? } else { g.clone() });
        }
        if ![0, 2, 3, 4].iter().any(|at| needs[*at]) {
            return Ok(all);
        }
        let terms = self.terms(commands, theta, lag, g)?;
        if needs[0] {
            all[0] = Some(term_sums::over_nodes(
                commands,
                [weights, strength],
                &terms,
                &self.over.graph,
                self.over.at.harmonic,
            )?);
        }
        if needs[2] {
            all[2] = Some(term_sums::over_samples(commands, strength, &terms, self.over.at.own_weights)?);
        }
        if needs[3] || (needs[4] && !self.over.at.edge_lag) {
            let [strength_bar, lag_bar] = term_sums::over_edges(commands, [weights, strength], &terms)?;
            all[3] = needs[3].then_some(strength_bar);
            all[4] = (needs[4] && !self.over.at.edge_lag).then_some(lag_bar);
        }
        if needs[4] && self.over.at.edge_lag {
            all[4] = Some(term_sums::of_lags(commands, [weights, strength], &terms)?);
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
        &super::term_sums::NODES,
        &super::term_sums::LAGS,
        &super::term_sums::SAMPLES,
        &super::term_sums::EDGES,
        &super::sum_columns::KERNEL,
        &super::sum_rows::KERNEL,
    ],
    cases: cases::cases,
};
