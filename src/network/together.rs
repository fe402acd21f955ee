//! Steps that nobody looks at in between, in one dispatch: of a mean field of few nodes.

use super::scheme::Scheme;
use super::state::State;
use super::terms::{Coupling, Network, Term};
use crate::cpu::mean_field::ExplicitScheme;
use crate::error::Result;
use crate::ops::mean_field::MeanField;
use crate::tape::{Tape, Value};

/// Nodes at most: a sample is one workgroup's.
const MOST: usize = 4096;

/// A network that is one mean field, without inertia.
pub(super) struct Together {
    scheme: ExplicitScheme,
    frequencies: Value,
    strength: Value,
    lag: Value,
    harmonic: u32,
}

impl Together {
    /// Of a network, if it is that and small.
    pub fn of(network: &Network<Value>, state: &State<Value>, scheme: Scheme) -> Option<Together> {
        let scheme = match scheme {
            Scheme::Euler => ExplicitScheme::Euler,
            Scheme::Heun => ExplicitScheme::Heun,
            Scheme::Rk4 => ExplicitScheme::Rk4,
            Scheme::Splitting => return None,
        };
        let Network { frequencies, terms, swing: None } = network else { return None };
        let [Term { coupling: Coupling::MeanField { lag, harmonic }, strength }] = terms.as_slice() else {
            return None;
        };
        let small = state.velocity.is_none() && state.theta.spec().shape.last().is_some_and(|nodes| *nodes <= MOST);
        small.then(|| Together {
            scheme,
            frequencies: frequencies.clone(),
            strength: strength.clone(),
            lag: lag.clone(),
            harmonic: *harmonic,
        })
    }

    /// The state `count` steps of sizes `h` later.
    pub fn steps(&self, tape: &mut Tape, state: &State<Value>, h: &Value, count: usize) -> Result<State<Value>> {
        tape.apart(|tape| {
            let [theta, base, strength, lag, h] = [&state.theta, &self.frequencies, &self.strength, &self.lag, h]
                .map(|value| tape.constant(value.clone()));
            let field = MeanField { base, strength, lag, h };
            let moved = tape.mean_field(theta, &field, self.harmonic, self.scheme, count)?;
            Ok(State::at(tape.value(moved)?.clone()))
        })
    }
}
