//! What drives the oscillators of a network.

use crate::cpu::adapt_coupling::Adaptation;
use crate::error::{Error, ErrorKind, Result};
use crate::ops::couple_delayed::{DelayedCoupling, Past};
use crate::ops::couple_lattice::{Boundary, LatticeCoupling};
use crate::ops::couple_phases::EdgeCoupling;
use crate::ops::graph::Graph;
use crate::ops::triangles::Triangles;
use crate::tape::{Tape, Value, Var};

/// How oscillators act on each other. `D = harmonic (theta_j - theta_i)`; a row of any matrix or graph is a receiver.
///
/// `V` is [`Value`] in a description that outlives tapes, [`Var`] on one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Coupling<V = Var> {
    /// `sum over edges e into i of w_e sin(D_e - lag)`.
    Edges {
        /// Who listens to whom.
        graph: Graph,
        /// `[1, edges]`, or `[B, edges]` for weights of each sample.
        weights: V,
        /// In radians: `[B, 1]`, or `[1, edges]` for a lag of each edge.
        lag: V,
        /// `q` of `sin(q (theta_j - theta_i))`, at least 1.
        harmonic: u32,
    },
    /// As [`Coupling::Edges`], by weights that follow the phases they couple:
    /// `w_e' = rate (sin(theta_j - theta_i + lag) - decay w_e)` with the numbers of `rule`. Only [`run`](super::run())
    /// adapts them.
    Adaptive {
        /// Who listens to whom.
        graph: Graph,
        /// `[B, edges]`, at the start.
        weights: V,
        /// In radians: `[B, 1]`, or `[1, edges]` for a lag of each edge.
        lag: V,
        /// `q` of `sin(q (theta_j - theta_i))`, at least 1.
        harmonic: u32,
        /// How weights follow phases.
        rule: Adaptation,
    },
    /// `sum over edges e into i of w_e sin(q (theta_j(t - tau_e) - theta_i) - lag)`: what travels takes its time. Only
    /// [`run`](super::run()) keeps the past that it needs; before the start every phase is what it is at the start.
    Delayed {
        /// Who listens to whom.
        graph: Graph,
        /// Weight and delay `tau` of each edge, `[edges, 2]`.
        links: V,
        /// In radians.
        lag: f32,
        /// `q`, at least 1.
        harmonic: u32,
    },
    /// `sum_j w_ij sin(D_ij - lag)` for a full matrix.
    Dense {
        /// `[N, N]`, receivers first.
        weights: V,
        /// In radians, `[B]`.
        lag: V,
        /// `q`, at least 1.
        harmonic: u32,
    },
    /// `1/N sum_j sin(D_ij - lag)`, in time proportional to `N`.
    MeanField {
        /// In radians, `[B]`.
        lag: V,
        /// `q`, at least 1.
        harmonic: u32,
    },
    /// `sum over offsets o of w_o sin(theta at o from i - theta_i - lag)` on a lattice `[H, W]`; the nodes are its sites, row by
    /// row.
    Lattice {
        /// `[H, W]`.
        extents: [usize; 2],
        /// A stencil `[kh, kw]`, both odd, whose middle is the site itself.
        weights: V,
        /// In radians, `[B]`.
        lag: V,
        /// What lies past the edge.
        boundary: Boundary,
    },
    /// `sum over triangles t at i of w_t sin(theta_j + theta_k - 2 theta_i)`.
    Triangles {
        /// Who listens to which pairs.
        triangles: Triangles,
        /// `[triangles]`.
        weights: V,
    },
    /// `Y_s cos(q theta_i + lag) - Y_c sin(q theta_i + lag)`: a given field, `rho (cos phi, sin phi)` for a drive of strength
    /// `rho` towards the phase `phi`.
    Field {
        /// `[B, N, 2]` for a field of each node, `[B, 1, 2]` for a common drive; cosine's part first.
        field: V,
        /// In radians, `[B]`.
        lag: V,
        /// `q`, at least 1.
        harmonic: u32,
    },
}

/// A coupling and its strength `K`, `[B]`.
#[derive(Clone, Debug)]
pub struct Term<V = Var> {
    /// How oscillators act on each other.
    pub coupling: Coupling<V>,
    /// `[B]`.
    pub strength: V,
}

/// What makes a network second order.
#[derive(Clone, Debug)]
pub struct Swing<V = Var> {
    /// `[N]`, positive.
    pub inertia: V,
    /// `[N]`.
    pub damping: V,
}

/// A network of `N` phase oscillators in `B` samples.
#[derive(Clone, Debug)]
pub struct Network<V = Var> {
    /// Natural frequencies (of a second-order network: powers), `[N]` or `[B, N]`.
    pub frequencies: V,
    /// What adds up to a rate, in this order.
    pub terms: Vec<Term<V>>,
    /// Inertia and damping of a second-order network.
    pub swing: Option<Swing<V>>,
}

impl<V> Network<V> {
    /// A network without inertia.
    pub fn first_order(frequencies: V, terms: Vec<Term<V>>) -> Network<V> {
        Network { frequencies, terms, swing: None }
    }

    /// A network with inertia and damping.
    pub fn second_order(frequencies: V, terms: Vec<Term<V>>, inertia: V, damping: V) -> Network<V> {
        Network { frequencies, terms, swing: Some(Swing { inertia, damping }) }
    }

    /// The same network over what `f` makes of each value; values come in the order of the fields.
    ///
    /// # Errors
    /// Whatever `f` returns.
    pub fn try_map<W>(&self, mut f: impl FnMut(&V) -> Result<W>) -> Result<Network<W>> {
        let frequencies = f(&self.frequencies)?;
        let mut terms = Vec::with_capacity(self.terms.len());
        for term in &self.terms {
            let coupling = match &term.coupling {
                Coupling::Edges { graph, weights, lag, harmonic } => {
                    Coupling::Edges { graph: graph.clone(), weights: f(weights)?, lag: f(lag)?, harmonic: *harmonic }
                }
                Coupling::Adaptive { graph, weights, lag, harmonic, rule } => {
                    let (weights, lag) = (f(weights)?, f(lag)?);
                    Coupling::Adaptive { graph: graph.clone(), weights, lag, harmonic: *harmonic, rule: *rule }
                }
                Coupling::Delayed { graph, links, lag, harmonic } => {
                    Coupling::Delayed { graph: graph.clone(), links: f(links)?, lag: *lag, harmonic: *harmonic }
                }
                Coupling::Dense { weights, lag, harmonic } => {
                    Coupling::Dense { weights: f(weights)?, lag: f(lag)?, harmonic: *harmonic }
                }
                Coupling::MeanField { lag, harmonic } => Coupling::MeanField { lag: f(lag)?, harmonic: *harmonic },
                Coupling::Lattice { extents, weights, lag, boundary } => {
                    Coupling::Lattice { extents: *extents, weights: f(weights)?, lag: f(lag)?, boundary: *boundary }
                }
                Coupling::Triangles { triangles, weights } => {
                    Coupling::Triangles { triangles: triangles.clone(), weights: f(weights)? }
                }
                Coupling::Field { field, lag, harmonic } => {
                    Coupling::Field { field: f(field)?, lag: f(lag)?, harmonic: *harmonic }
                }
            };
            terms.push(Term { coupling, strength: f(&term.strength)? });
        }
        let swing = match &self.swing {
            Some(swing) => Some(Swing { inertia: f(&swing.inertia)?, damping: f(&swing.damping)? }),
            None => None,
        };
        Ok(Network { frequencies, terms, swing })
    }

    /// Whether weights follow phases.
    pub(super) fn adapts(&self) -> bool {
        self.terms.iter().any(|term| matches!(term.coupling, Coupling::Adaptive { .. }))
    }

    /// All values, in the order of [`Network::try_map`].
    pub fn values(&self) -> Vec<V>
    where
        V: Clone,
    {
        let mut all = Vec::new();
        // The closure cannot fail.
        let _ = self.try_map(|v| {
            all.push(v.clone());
            Ok(())
        });
        all
    }

    /// The same network over `values`, in the order of [`Network::values`].
    ///
    /// # Errors
    /// `Param` if there are not as many.
    pub fn with<W: Clone>(&self, values: &[W]) -> Result<Network<W>> {
        let mut given = values.iter();
        let network = self.try_map(|_| {
            let missing =
                || Error::argument(ErrorKind::Param, "Network::with", "values", values.len(), "one per value");
            given.next().cloned().ok_or_else(missing)
        })?;
        match given.next() {
            None => Ok(network),
            Some(_) => Err(Error::argument(ErrorKind::Param, "Network::with", "values", values.len(), "one per value")),
        }
    }
}

impl Network<Value> {
    /// The network on a tape, its values constants.
    pub fn constant(&self, tape: &mut Tape) -> Result<Network<Var>> {
        self.try_map(|value| Ok(tape.constant(value.clone())))
    }

    /// The network on a tape, its values leaves: a gradient may be asked for any.
    pub fn leaves(&self, tape: &mut Tape) -> Result<Network<Var>> {
        self.try_map(|value| Ok(tape.leaf(value.clone())))
    }
}

impl Network<Var> {
    /// `F` at the phases `theta` `[B, N]`: frequencies and all couplings, `[B, N]`.
    ///
    /// # Errors
    /// `Shape`, naming the term's op and argument; `Param` for a harmonic of 0 or a network without terms.
    pub fn rate(&self, tape: &mut Tape, theta: Var) -> Result<Var> {
        self.rate_after(tape, theta, None)
    }

    /// The network with the weights of [`Coupling::Adaptive`] a time `h` later, for phases `theta`.
    pub(super) fn adapted(&self, tape: &mut Tape, theta: Var, h: Var) -> Result<Network<Var>> {
        let mut network = self.clone();
        for term in &mut network.terms {
            if let Coupling::Adaptive { graph, weights, rule, .. } = &mut term.coupling {
                *weights = tape.adapt_coupling(*weights, theta, h, graph, rule)?;
            }
        }
        Ok(network)
    }

    /// As [`Network::rate`] for a network whose past is known.
    pub(super) fn rate_after(&self, tape: &mut Tape, theta: Var, past: Option<(Var, Past)>) -> Result<Var> {
        let mut rate = self.frequencies;
        if self.terms.is_empty() {
            let wanted = "at least one; a strength of 0 leaves oscillators alone";
            return Err(Error::argument(ErrorKind::Param, "Network::rate", "terms", "none", wanted));
        }
        for Term { coupling, strength } in &self.terms {
            rate = match coupling {
                Coupling::Edges { graph, weights, lag, harmonic }
                | Coupling::Adaptive { graph, weights, lag, harmonic, .. } => {
                    let edges = EdgeCoupling { weights: *weights, strength: *strength, lag: *lag };
                    tape.couple_phases(theta, rate, &edges, graph, *harmonic)?
                }
                Coupling::Delayed { graph, links, lag, harmonic } => {
                    let Some((history, past)) = past else {
                        let wanted = "network::run with Euler or Heun, which keep the past";
                        return Err(Error::argument(ErrorKind::Param, "Network::rate", "a term", "delayed", wanted));
                    };
                    let delayed = DelayedCoupling { links: *links, strength: *strength, history };
                    tape.couple_delayed(theta, rate, &delayed, graph, &past, *harmonic, *lag)?
                }
                Coupling::Dense { weights, lag, harmonic } => {
                    let phasors = tape.phasors(theta, *harmonic)?;
                    let field = tape.linear(phasors, *weights, None, 1)?;
                    tape.phase_rate(theta, rate, field, *strength, *lag, *harmonic)?
                }
                Coupling::MeanField { lag, harmonic } => {
                    let phasors = tape.phasors(theta, *harmonic)?;
                    let field = tape.mean_nodes(phasors)?;
                    tape.phase_rate(theta, rate, field, *strength, *lag, *harmonic)?
                }
                Coupling::Lattice { extents: [height, width], weights, lag, boundary } => {
                    let lattice = LatticeCoupling { weights: *weights, strength: *strength, lag: *lag };
                    let [flat, base] = [tape.spec(theta)?.shape, tape.spec(rate)?.shape];
                    let sites = |shape: &[usize]| [&shape[..shape.len() - 1], &[*height, *width]].concat();
                    let phases = tape.reshape(theta, &sites(&flat))?;
                    let base = tape.reshape(rate, &sites(&base))?;
                    let rate = tape.couple_lattice(phases, base, &lattice, *boundary)?;
                    tape.reshape(rate, &flat)?
                }
                Coupling::Triangles { triangles, weights } => {
                    tape.couple_triangles(theta, rate, *weights, *strength, triangles)?
                }
                Coupling::Field { field, lag, harmonic } => {
                    tape.phase_rate(theta, rate, *field, *strength, *lag, *harmonic)?
                }
            };
        }
        Ok(rate)
    }
}
