//! What couplings over the edges of a graph share. Not an op: it has no reference of its own, the ops that use it have.

use super::graph::Graph;
use super::layout::indexable;
use crate::cpu::couple_phases::Extents;
use crate::error::{Error, ErrorKind, Result};

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
pub(super) struct OverEdges {
    pub(super) graph: Graph,
    pub(super) at: Extents,
}

impl OverEdges {
    /// The coupling of `op`, if all of its operands fit.
    pub(super) fn of(
        op: &str,
        theta: &[usize],
        base: &[usize],
        coupling: &EdgeCoupling<&[usize]>,
        graph: &Graph,
        harmonic: u32,
    ) -> Result<OverEdges> {
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
        Ok(OverEdges { graph: graph.clone(), at })
    }

    pub(super) fn theta_shape(&self) -> [usize; 2] {
        [self.at.batch, self.at.nodes]
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

#[cfg(feature = "gpu")]
impl OverEdges {
    pub(super) fn weights_stride(&self) -> u32 {
        if self.at.own_weights { self.at.edges as u32 } else { 0 }
    }

    pub(super) fn pairs_of_samples(&self) -> usize {
        self.at.batch * self.at.edges
    }
}
