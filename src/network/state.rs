//! Where a network is.

use crate::error::{Error, ErrorKind, Result};
use crate::tape::{Tape, Value, Var};

/// Phases, and for second order velocities.
#[derive(Clone, Debug)]
pub struct State<V = Var> {
    /// `[B, N]`, in radians.
    pub theta: V,
    /// `[B, N]`, of a second-order network.
    pub velocity: Option<V>,
    /// `F` at `theta`, where a scheme needs it again; nobody else has to set it.
    pub(super) force: Option<V>,
}

impl<V> State<V> {
    /// Phases of a first-order network.
    pub fn at(theta: V) -> State<V> {
        State { theta, velocity: None, force: None }
    }

    /// Phases and velocities of a second-order network.
    pub fn moving(theta: V, velocity: V) -> State<V> {
        State { theta, velocity: Some(velocity), force: None }
    }

    /// All values, in the order of the fields.
    pub(super) fn values(&self) -> Vec<V>
    where
        V: Clone,
    {
        [Some(&self.theta), self.velocity.as_ref(), self.force.as_ref()].into_iter().flatten().cloned().collect()
    }

    /// A state of the same kind over other values, in the same order.
    pub(super) fn with<W: Clone>(&self, values: &[W]) -> Result<State<W>> {
        let mut given = values.iter().cloned();
        let mut next = |wanted: bool| if wanted { given.next() } else { None };
        let (theta, velocity) = (next(true), next(self.velocity.is_some()));
        let force = next(self.force.is_some());
        match theta {
            Some(theta) => Ok(State { theta, velocity, force }),
            None => Err(Error::argument(ErrorKind::Param, "State", "values", "none", "phases")),
        }
    }
}

impl State<Value> {
    /// The state on a tape, as constants.
    pub fn constant(&self, tape: &mut Tape) -> State<Var> {
        let mut constant = |value: &Value| tape.constant(value.clone());
        State {
            theta: constant(&self.theta),
            velocity: self.velocity.as_ref().map(&mut constant),
            force: self.force.as_ref().map(&mut constant),
        }
    }
}

impl State<Var> {
    /// The values of a state on a tape.
    ///
    /// # Errors
    /// `Foreign` for variables of another tape.
    pub fn value(&self, tape: &Tape) -> Result<State<Value>> {
        let values = self.values().iter().map(|var| Ok(tape.value(*var)?.clone())).collect::<Result<Vec<_>>>()?;
        self.with(&values)
    }
}
