//! The past of a network with delays: a ring of states.

use super::scheme::Scheme;
use super::terms::{Coupling, Network};
use crate::error::{Error, ErrorKind, Result};
use crate::kernel::DType;
use crate::ops::couple_delayed::Past;
use crate::tape::{Array, Backend, Tape, Value, Var};

/// Bytes that a slice of device memory starts at a multiple of, everywhere.
const ALIGNMENT: usize = 256;

/// States of the last steps.
#[derive(Clone)]
pub(super) struct Memory {
    ring: Value,
    past: Past,
    /// Whether the phases of the running step are in the ring.
    learned: bool,
}

impl Memory {
    /// The memory that the delays of `network` ask for, if it has any, filled with `theta`.
    pub(super) fn of(
        tape: &mut Tape,
        network: &Network<Value>,
        theta: &Value,
        step: &[f32],
        scheme: Scheme,
    ) -> Result<Option<Memory>> {
        let mut longest: Option<f64> = None;
        for term in &network.terms {
            let Coupling::Delayed { links, .. } = &term.coupling else { continue };
            let links = tape.backend().read(links)?;
            for (edge, link) in links.chunks(2).enumerate() {
                if !(link[1].is_finite() && link[1] >= 0.0) {
                    let argument = format!("the delay of edge {edge}");
                    let wanted = "a finite time that is not negative";
                    return Err(Error::argument(ErrorKind::Param, "network::run", &argument, link[1], wanted));
                }
                longest = Some(longest.unwrap_or(0.0).max(link[1]));
            }
        }
        let Some(longest) = longest else { return Ok(None) };
        let refuse = |argument: &str, got: String, wanted: &str| {
            Err(Error::argument(ErrorKind::Param, "network::run", argument, got, wanted))
        };
        let step = match step {
            [first, rest @ ..] if rest.iter().all(|h| h == first) => *first,
            _ => return refuse("step", "another in each sample".into(), "the same in all: delays share one past"),
        };
        if !matches!(scheme, Scheme::Euler | Scheme::Heun) {
            return refuse("scheme", format!("{scheme:?}"), "Euler or Heun for a network with delays");
        }
        let spec = theta.spec();
        let slots = (longest / f64::from(step)).ceil() as usize + 1;
        let stride = spec.len().next_multiple_of(ALIGNMENT / 4);
        let mut state = tape.backend().read(theta)?;
        state.resize(stride, 0.0);
        let ring = tape.upload(&state.repeat(slots), &[slots, stride], DType::F32)?;
        let past = Past { slots, stride, newest: slots - 1, step };
        Ok(Some(Memory { ring, past, learned: false }))
    }

    /// The ring, and where the state one step before the one at hand is in it.
    pub(super) fn before(&self) -> (Value, Past) {
        (self.ring.clone(), self.past)
    }

    /// Remembers the phases that a step began with, at its first call in a step.
    pub(super) fn learn(&mut self, tape: &mut Tape, theta: Var) -> Result<()> {
        if self.learned {
            return Ok(());
        }
        self.learned = true;
        self.past.newest = (self.past.newest + 1) % self.past.slots;
        let start = self.past.newest * self.past.stride;
        let theta = tape.value(theta)?.clone();
        match tape.backend() {
            #[cfg(feature = "gpu")]
            Backend::Device(commands) => {
                let slot = self.ring.tensor()?.slice(start, &theta.spec().shape)?;
                commands.copy_into(theta.tensor()?, &slot)
            }
            Backend::Reference => {
                let (mut data, theta) = (self.ring.array()?.data().to_vec(), theta.array()?.data());
                data[start..start + theta.len()].copy_from_slice(theta);
                self.ring = Array::new(data, &[self.past.slots, self.past.stride], DType::F32)?.into();
                Ok(())
            }
        }
    }

    /// The memory before the next step.
    pub(super) fn next_step(self) -> Memory {
        Memory { learned: false, ..self }
    }

    /// A copy that later steps do not change.
    pub(super) fn snapshot(&self, tape: &mut Tape) -> Result<Memory> {
        let ring = match tape.backend() {
            #[cfg(feature = "gpu")]
            Backend::Device(commands) => Value::Device(commands.copy(self.ring.tensor()?)?),
            Backend::Reference => self.ring.clone(),
        };
        Ok(Memory { ring, ..self.clone() })
    }
}
