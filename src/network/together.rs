//! Steps that nobody looks at in between, in one dispatch: of one coupling of few nodes, without inertia.

use super::scheme::Scheme;
use super::state::State;
use super::terms::{Coupling, Network, Term};
use crate::cpu::phase_step::ExplicitScheme;
use crate::error::{Error, ErrorKind, Result};
use crate::ops::couple_phases::EdgeCoupling;
use crate::ops::mean_field::{self, MeanField};
use crate::ops::phase_network;
use crate::tape::{Tape, Value};

/// Nodes of a mean field at most: a sample is one workgroup's.
const NODES: usize = 4096;

/// Edges at most, for the same reason.
const EDGES: usize = 1 << 14;

/// Phases of all samples at most for edges on a software driver: past that, kernels over all of them at once are as fast or
/// faster (measured on two cores), and what is computed is the same.
const PHASES_SOFTWARE: usize = 512;

/// Rounds of loops that one dispatch is to stay below: older software drivers end loops without a word after 65,535.
const ROUNDS: usize = 1 << 15;

/// A network whose steps are one kernel's.
pub(super) struct Together {
    scheme: ExplicitScheme,
    frequencies: Value,
    term: Term<Value>,
    /// Steps of one dispatch at most.
    most: usize,
}

impl Together {
    /// Of a network, if it is that and small; `is_software` says whether the device is the host's own cores.
    pub fn of(network: &Network<Value>, state: &State<Value>, scheme: Scheme, is_software: bool) -> Option<Together> {
        let scheme = match scheme {
            Scheme::Euler => ExplicitScheme::Euler,
            Scheme::Heun => ExplicitScheme::Heun,
            Scheme::Rk4 => ExplicitScheme::Rk4,
            Scheme::Splitting => return None,
        };
        let (Network { frequencies, terms, swing: None }, None) = (network, &state.velocity) else { return None };
        let [term] = terms.as_slice() else { return None };
        let nodes = *state.theta.spec().shape.last()?;
        let rounds = match &term.coupling {
            Coupling::MeanField { .. } if nodes <= NODES => mean_field::rounds_of_a_step(nodes, scheme),
            Coupling::Edges { .. } if is_software && state.theta.spec().len() > PHASES_SOFTWARE => return None,
            Coupling::Edges { graph, .. } if nodes <= phase_network::MOST && graph.edge_count() <= EDGES => {
                phase_network::rounds_of_a_step(graph, scheme)
            }
            _ => return None,
        };
        // One dispatch makes a round of its own before the first step.
        let most = (ROUNDS / rounds.max(1)).saturating_sub(1);
        (most > 0).then(|| Together { scheme, frequencies: frequencies.clone(), term: term.clone(), most })
    }

    /// The state `count` steps of sizes `h` later.
    pub fn steps(&self, tape: &mut Tape, state: &State<Value>, h: &Value, count: usize) -> Result<State<Value>> {
        tape.apart(|tape| {
            let [theta, base, strength, h] =
                [&state.theta, &self.frequencies, &self.term.strength, h].map(|value| tape.constant(value.clone()));
            let (mut theta, mut left) = (theta, count);
            while left > 0 {
                let steps = left.min(self.most);
                theta = match &self.term.coupling {
                    Coupling::MeanField { lag, harmonic } => {
                        let lag = tape.constant(lag.clone());
                        let field = MeanField { base, strength, lag, h };
                        tape.mean_field(theta, &field, *harmonic, self.scheme, steps)?
                    }
                    Coupling::Edges { graph, weights, lag, harmonic } => {
                        let [weights, lag] = [weights, lag].map(|value| tape.constant(value.clone()));
                        let edges = EdgeCoupling { weights, strength, lag };
                        tape.phase_network(theta, base, &edges, (graph, *harmonic), h, (self.scheme, steps))?
                    }
                    _ => return Err(Error::new(ErrorKind::Param, "network::run: a coupling that no kernel steps")),
                };
                left -= steps;
            }
            Ok(State::at(tape.value(theta)?.clone()))
        })
    }
}
