//! Steps of time.

use super::memory::Memory;
use super::state::State;
use super::terms::{Network, Swing};
use crate::error::{Error, ErrorKind, Result};
use crate::tape::{Stepped, Storage, Tape, Var};

/// How a step of time is computed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Scheme {
    /// Explicit Euler, order 1, one evaluation.
    Euler,
    /// Heun, order 2, two evaluations; with noise the stochastic Heun scheme.
    Heun,
    /// The classical Runge-Kutta scheme, order 4, four evaluations.
    Rk4,
    /// Second order only: kick, drift, exact damping, drift, kick. Order 2, one evaluation; without damping symplectic and
    /// time reversible.
    Splitting,
}

/// An explicit Runge-Kutta scheme: stage `s` starts from the state plus `h` times the earlier rates, weighted.
pub(super) struct Tableau {
    pub(super) stages: &'static [&'static [f32]],
    pub(super) weights: &'static [f32],
}

const EULER: Tableau = Tableau { stages: &[&[]], weights: &[1.0] };
const HEUN: Tableau = Tableau { stages: &[&[], &[1.0]], weights: &[0.5, 0.5] };
pub(super) const RK4: Tableau = Tableau {
    stages: &[&[], &[0.5], &[0.0, 0.5], &[0.0, 0.0, 1.0]],
    weights: &[1.0 / 6.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 6.0],
};

impl Scheme {
    /// Evaluations of the rate in one step.
    pub fn evaluations(self) -> usize {
        match self {
            Scheme::Euler | Scheme::Splitting => 1,
            Scheme::Heun => 2,
            Scheme::Rk4 => 4,
        }
    }
}

impl Network<Var> {
    /// The state a time `h` later, `h` `[B]`. Phases of the result are in `[-pi, pi]`.
    ///
    /// # Errors
    /// `Param` for [`Scheme::Splitting`] without inertia, or a state without velocities where there is inertia and the
    /// other way round, or weights that adapt, which [`run`](super::run()) keeps; as [`Network::rate`].
    pub fn step(&self, tape: &mut Tape, state: &State<Var>, h: Var, scheme: Scheme) -> Result<State<Var>> {
        if self.adapts() {
            let wanted = "network::run, which keeps weights that adapt";
            return Err(Error::argument(ErrorKind::Param, "Network::step", "a term", "adaptive", wanted));
        }
        self.step_with(tape, state, h, scheme, &mut None)
    }

    /// As [`Network::step`] for a network that may have a memory.
    pub(super) fn step_with(
        &self,
        tape: &mut Tape,
        state: &State<Var>,
        h: Var,
        scheme: Scheme,
        memory: &mut Option<Memory>,
    ) -> Result<State<Var>> {
        let tableau = match scheme {
            Scheme::Euler => EULER,
            Scheme::Heun => HEUN,
            Scheme::Rk4 => RK4,
            Scheme::Splitting => return self.split(tape, state, h),
        };
        match self.swing_of(state)? {
            None => self.runge_kutta(tape, state.theta, h, &tableau, memory),
            Some((swing, velocity)) => {
                self.runge_kutta_swing(tape, [state.theta, velocity], swing, h, &tableau, memory)
            }
        }
    }

    /// `steps` steps of `h`, keeping for the backward pass what `storage` says; [`Storage::balanced`] keeps memory near its
    /// least.
    ///
    /// # Errors
    /// As [`Network::step`] and [`Tape::repeat`].
    pub fn steps(
        &self,
        tape: &mut Tape,
        state: &State<Var>,
        h: Var,
        scheme: Scheme,
        steps: usize,
        storage: Storage,
    ) -> Result<State<Var>> {
        let mut state = state.clone();
        if scheme == Scheme::Splitting && state.force.is_none() {
            state.force = Some(self.rate(tape, state.theta)?);
        }
        let mut shared = self.values();
        shared.push(h);
        let (network, like) = (self.clone(), state.clone());
        let step = move |tape: &mut Tape, carried: &[Var], shared: &[Var]| {
            let Some((h, values)) = shared.split_last() else {
                return Err(Error::argument(ErrorKind::Param, "Network::steps", "values", "none", "a step size"));
            };
            let next = network.with(values)?.step(tape, &like.with(carried)?, *h, scheme)?;
            Ok(Stepped { carried: next.values(), emitted: vec![] })
        };
        let repeated = tape.repeat(steps, storage, &state.values(), &shared, step)?;
        state.with(&repeated.carried)
    }

    /// Inertia, damping and the velocity, if both network and state have them.
    fn swing_of(&self, state: &State<Var>) -> Result<Option<(&Swing<Var>, Var)>> {
        match (&self.swing, state.velocity) {
            (Some(swing), Some(velocity)) => Ok(Some((swing, velocity))),
            (None, None) => Ok(None),
            (Some(_), None) => {
                let wanted = "State::moving for a network with inertia";
                Err(Error::argument(ErrorKind::Param, "Network::step", "state", "no velocities", wanted))
            }
            (None, Some(_)) => {
                let wanted = "State::at for a network without inertia";
                Err(Error::argument(ErrorKind::Param, "Network::step", "state", "velocities", wanted))
            }
        }
    }

    fn runge_kutta(
        &self,
        tape: &mut Tape,
        theta: Var,
        h: Var,
        tableau: &Tableau,
        memory: &mut Option<Memory>,
    ) -> Result<State<Var>> {
        let mut rates = Vec::with_capacity(tableau.weights.len());
        for row in tableau.stages {
            let at = tape.combine(theta, &rates, h, row, false)?;
            rates.push(self.remembered(tape, at, memory)?);
        }
        Ok(State::at(tape.combine(theta, &rates, h, tableau.weights, true)?))
    }

    fn runge_kutta_swing(
        &self,
        tape: &mut Tape,
        [theta, velocity]: [Var; 2],
        swing: &Swing<Var>,
        h: Var,
        tableau: &Tableau,
        memory: &mut Option<Memory>,
    ) -> Result<State<Var>> {
        let (mut velocities, mut accelerations) = (Vec::new(), Vec::new());
        for row in tableau.stages {
            let at = tape.combine(theta, &velocities, h, row, false)?;
            let moving = tape.combine(velocity, &accelerations, h, row, false)?;
            let force = self.remembered(tape, at, memory)?;
            velocities.push(moving);
            accelerations.push(tape.swing_rate(force, moving, swing.inertia, swing.damping)?);
        }
        let theta = tape.combine(theta, &velocities, h, tableau.weights, true)?;
        let velocity = tape.combine(velocity, &accelerations, h, tableau.weights, false)?;
        Ok(State::moving(theta, velocity))
    }

    /// The rate at a stage. The first one's phases are what the memory learns next.
    pub(super) fn remembered(&self, tape: &mut Tape, theta: Var, memory: &mut Option<Memory>) -> Result<Var> {
        let Some(memory) = memory else { return self.rate(tape, theta) };
        let (ring, past) = memory.before();
        let ring = tape.constant(ring);
        let rate = self.rate_after(tape, theta, Some((ring, past)))?;
        memory.learn(tape, theta)?;
        Ok(rate)
    }

    fn split(&self, tape: &mut Tape, state: &State<Var>, h: Var) -> Result<State<Var>> {
        let Some((swing, velocity)) = self.swing_of(state)? else {
            let wanted = "a network with inertia; Euler, Heun or Rk4 for first order";
            return Err(Error::argument(ErrorKind::Param, "Network::step", "scheme", "Splitting", wanted));
        };
        // The second kick of a step and the first of the next see the same phases.
        let force = match state.force {
            Some(force) => force,
            None => self.rate(tape, state.theta)?,
        };
        let [theta, velocity] = tape.swing_drift(state.theta, velocity, force, swing.inertia, swing.damping, h)?;
        let force = self.rate(tape, theta)?;
        let velocity = tape.swing_kick(velocity, force, swing.inertia, h)?;
        Ok(State { theta, velocity: Some(velocity), force: Some(force) })
    }
}

impl Tape {
    /// `x + h sum_s c_s k_s` over the coefficients that are not 0.
    pub(super) fn combine(&mut self, x: Var, rates: &[Var], h: Var, coefficients: &[f32], wrap: bool) -> Result<Var> {
        let (mut used, mut c) = (Vec::new(), Vec::new());
        for (rate, coefficient) in rates.iter().zip(coefficients) {
            if *coefficient != 0.0 {
                used.push(*rate);
                c.push(*coefficient);
            }
        }
        match used.is_empty() {
            true => Ok(x),
            false => self.phase_step(x, &used, h, &c, wrap),
        }
    }
}
