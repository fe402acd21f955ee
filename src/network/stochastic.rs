//! Steps with additive noise.

use super::memory::Memory;
use super::scheme::Scheme;
use super::state::State;
use super::terms::Network;
use crate::error::Result;
use crate::tape::{Tape, Var};

impl Network<Var> {
    /// As [`Network::step`] with `strength sqrt(h)` `[B]` times the draws `[B, N]` added: Euler-Maruyama or stochastic Heun.
    pub(super) fn stochastic_step(
        &self,
        tape: &mut Tape,
        state: &State<Var>,
        h: Var,
        (draw, strength): (Var, Var),
        scheme: Scheme,
        memory: &mut Option<Memory>,
    ) -> Result<State<Var>> {
        let kicked = |tape: &mut Tape, state: &State<Var>| match (&self.swing, state.velocity) {
            (Some(swing), Some(velocity)) => {
                // swing_kick adds (h / 2) F / inertia.
                let twice = tape.scale(2.0, strength)?;
                let velocity = tape.swing_kick(velocity, draw, swing.inertia, twice)?;
                Ok(State::moving(state.theta, velocity))
            }
            _ => Ok(State::at(tape.phase_step(state.theta, &[draw], strength, &[1.0], true)?)),
        };
        match scheme {
            Scheme::Euler => {
                let next = self.step_with(tape, state, h, Scheme::Euler, memory)?;
                kicked(tape, &next)
            }
            _ => {
                // The noise is additive: the predictor sees it, and it enters the result once.
                let half = tape.scale(0.5, h)?;
                let force = self.remembered(tape, state.theta, memory)?;
                let predicted = self.moved(tape, state, state, force, h)?;
                let predicted = kicked(tape, &predicted)?;
                let middle = self.moved(tape, state, state, force, half)?;
                let middle = kicked(tape, &middle)?;
                let force = self.remembered(tape, predicted.theta, memory)?;
                self.moved(tape, &middle, &predicted, force, half)
            }
        }
    }

    /// `state + h` times the rates at `at`, where `F` is `force`.
    fn moved(&self, tape: &mut Tape, state: &State<Var>, at: &State<Var>, force: Var, h: Var) -> Result<State<Var>> {
        match (&self.swing, state.velocity, at.velocity) {
            (Some(swing), Some(velocity), Some(moving)) => {
                let acceleration = tape.swing_rate(force, moving, swing.inertia, swing.damping)?;
                let theta = tape.phase_step(state.theta, &[moving], h, &[1.0], true)?;
                let velocity = tape.phase_step(velocity, &[acceleration], h, &[1.0], false)?;
                Ok(State::moving(theta, velocity))
            }
            _ => Ok(State::at(tape.phase_step(state.theta, &[force], h, &[1.0], true)?)),
        }
    }
}
