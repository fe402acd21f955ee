//! What a run may record, computed on the device.

use super::state::State;
use super::terms::Network;
use crate::error::{Error, ErrorKind, Result};
use crate::tape::{Tape, Var};

/// What an observable computes of a state; it records on the tape it is given.
type Probe = Box<dyn Fn(&mut Tape, &Network<Var>, &State<Var>) -> Result<Var>>;

/// Something that a run records at every sampled time.
pub struct Observable {
    pub(super) name: String,
    pub(super) probe: Probe,
}

impl Observable {
    /// Any f32 value that ops make of a state.
    pub fn new(
        name: impl Into<String>,
        probe: impl Fn(&mut Tape, &Network<Var>, &State<Var>) -> Result<Var> + 'static,
    ) -> Observable {
        Observable { name: name.into(), probe: Box::new(probe) }
    }

    /// Its name in records.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// The `q`-th order parameter `1/N sum_j exp(i q theta_j)` as `[B, 1, 2]`, the real part first; its modulus is `r`.
pub fn order_parameter(q: u32) -> Observable {
    Observable::new(format!("order_parameter_{q}"), move |tape, _, state| {
        let phasors = tape.phasors(state.theta, q)?;
        tape.mean_nodes(phasors)
    })
}

/// All phases, `[B, N]`.
pub fn phases() -> Observable {
    Observable::new("phases", |_, _, state| Ok(state.theta))
}

/// All velocities of a second-order network, `[B, N]`.
pub fn velocities() -> Observable {
    Observable::new("velocities", |_, _, state| {
        let wanted = "a network with inertia";
        state.velocity.ok_or_else(|| Error::argument(ErrorKind::Param, "velocities", "state", "first order", wanted))
    })
}

/// The mean rate of the nodes, `[B, 1, 1]`: of `F` for first order, of the velocities for second.
pub fn mean_rate() -> Observable {
    Observable::new("mean_rate", |tape, network, state| {
        let rate = match state.velocity {
            Some(velocity) => velocity,
            None => network.rate(tape, state.theta)?,
        };
        let shape = tape.spec(rate)?.shape;
        let columns = tape.reshape(rate, &[shape.as_slice(), &[1]].concat())?;
        tape.mean_nodes(columns)
    })
}
