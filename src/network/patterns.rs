//! What a run may record of patterns in a network: coherence of edges, energy, histograms, windings.

use super::observe::Observable;
use super::terms::{Coupling, Network, Term};
use crate::error::{Error, ErrorKind, Result};
use crate::kernel::DType;
use crate::ops::couple_phases::EdgeCoupling;
use crate::ops::graph::Graph;
use crate::ops::loops::Loops;
use crate::tape::{Tape, Var};

/// The mean of `cos(theta_j - theta_i)` over the edges of `graph`, `[B]`: 1 where all linked oscillators agree.
///
/// A graph without edges has no mean: to record it is an error, `Param`.
pub fn edge_coherence(graph: &Graph) -> Observable {
    let graph = graph.clone();
    Observable::new("edge_coherence", move |tape, _, state| {
        let edges = graph.edge_count();
        if edges == 0 {
            return Err(Error::argument(ErrorKind::Param, "edge_coherence", "graph", "no edges", "at least one"));
        }
        let samples = tape.spec(state.theta)?.shape.first().copied().unwrap_or(0);
        // The energy is -K/2 times the sum of cosines.
        let coupling = EdgeCoupling {
            weights: tape.fill(1.0, &[1, edges], DType::F32)?,
            strength: tape.fill((-2.0 / edges as f64) as f32, &[samples], DType::F32)?,
            lag: tape.fill(0.0, &[samples, 1], DType::F32)?,
        };
        tape.couple_energy(state.theta, &coupling, &graph, 1)
    })
}

/// The energy of the couplings over edges, `[B]`: `-K_b / (2 q) sum_e w_e cos(q (theta_j - theta_i) - a_e)`, added over the
/// terms. With weights equal both ways, equal frequencies and no lag a first-order network descends it.
///
/// Other couplings than edges have none here: to record them is an error, `Param`.
pub fn coupling_energy() -> Observable {
    Observable::new("coupling_energy", |tape, network, state| {
        let mut total: Option<Var> = None;
        for over in edges_of("coupling_energy", network)? {
            let energy = tape.couple_energy(state.theta, &over.coupling, over.graph, over.harmonic)?;
            total = Some(match total {
                None => energy,
                Some(total) => tape.add(total, energy)?,
            });
        }
        let nothing = || Error::argument(ErrorKind::Param, "coupling_energy", "terms", "none", "at least one");
        total.ok_or_else(nothing)
    })
}

/// How many oscillators are in each of `bins` equal bins of the circle, `[B, bins]`; bin `k` begins at
/// `-pi + 2 pi k / bins`.
pub fn histogram(bins: usize) -> Observable {
    Observable::new("histogram", move |tape, _, state| tape.phase_histogram(state.theta, bins))
}

/// How often the phases turn around each of `loops`, `[B, L]`.
pub fn winding(loops: &Loops) -> Observable {
    let loops = loops.clone();
    Observable::new("winding", move |tape, _, state| tape.winding(state.theta, &loops))
}

/// A coupling over edges, as its ops take it.
struct OverEdges<'a> {
    graph: &'a Graph,
    coupling: EdgeCoupling<Var>,
    harmonic: u32,
}

/// The terms of `network`, if all of them couple over edges.
fn edges_of<'a>(caller: &str, network: &'a Network<Var>) -> Result<Vec<OverEdges<'a>>> {
    let over = |Term { coupling, strength }: &'a Term<Var>| match coupling {
        Coupling::Edges { graph, weights, lag, harmonic } => {
            let coupling = EdgeCoupling { weights: *weights, strength: *strength, lag: *lag };
            Ok(OverEdges { graph, coupling, harmonic: *harmonic })
        }
        _ => Err(Error::argument(ErrorKind::Param, caller, "terms", "another coupling", "Coupling::Edges alone")),
    };
    network.terms.iter().map(over).collect()
}

impl Network<Var> {
    /// The derivative of [`Network::rate`] at `theta` along `tangent`, both `[B, N]`.
    ///
    /// # Errors
    /// `Param` for terms other than [`Coupling::Edges`], or none; as [`Network::rate`].
    pub fn rate_along(&self, tape: &mut Tape, theta: Var, tangent: Var) -> Result<Var> {
        let mut total: Option<Var> = None;
        for over in edges_of("Network::rate_along", self)? {
            let slope = tape.couple_tangent(theta, tangent, &over.coupling, over.graph, over.harmonic)?;
            total = Some(match total {
                None => slope,
                Some(total) => tape.add(total, slope)?,
            });
        }
        let nothing = || Error::argument(ErrorKind::Param, "Network::rate_along", "terms", "none", "at least one");
        total.ok_or_else(nothing)
    }
}
