//! Recurrent networks whose step commutes with a rotation of state and drive.

use super::linear::{EquivariantLinear, Symmetry};
use super::network::check_sigma;
use crate::error::{Error, ErrorKind, Result};
use crate::kernel::DType;
use crate::model::parameters::{Bound, Builder, Parameters};
use crate::tape::{Tape, Var};

/// Options of a recurrent network.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct RecurrentConfig {
    /// With what the step commutes.
    pub symmetry: Symmetry,
    /// Neurons; the state has `symmetry.components()` times as many channels.
    pub neurons: usize,
    /// Numbers that come in at each step.
    pub inputs: usize,
    /// Numbers that are read out.
    pub outputs: usize,
    /// Whether gates decide what is kept.
    pub gated: bool,
    /// Scaled deviation of the recurrent weights.
    pub sigma_w: f32,
}

/// `h' = phi(W h + u)` with the drive `u = U x`, the only place where the symmetry breaks; or with gates, one for the
/// components of a neuron,
/// ```text
/// r, z = s(A |h| + B |u| + b),   h' = (1 - z) h + z phi(W (r h) + u)
/// ```
/// of the neurons' lengths, which no rotation changes: `step(R h, R u) = R step(h, u)`. The equations are ours; the paper
/// (arXiv 2605.14685) reports such networks without giving them. Without a symmetry the gates read `h` and `u` themselves:
/// with `k = 1` the network is the usual recurrent one, or the usual gated one.
#[derive(Clone, Debug)]
pub struct EquivariantRnn {
    config: RecurrentConfig,
    recurrent: EquivariantLinear,
}

impl EquivariantRnn {
    /// The network of `config`.
    ///
    /// # Errors
    /// `Param` for an extent of zero, or a `sigma_w` that is negative or not finite.
    pub fn new(config: RecurrentConfig) -> Result<EquivariantRnn> {
        if config.inputs * config.outputs == 0 {
            let got = format!("{} inputs, {} outputs", config.inputs, config.outputs);
            return Err(Error::argument(ErrorKind::Param, "EquivariantRnn", "extents", got, "none of them zero"));
        }
        check_sigma("EquivariantRnn", config.sigma_w)?;
        let recurrent = EquivariantLinear::new(config.symmetry, config.neurons, config.neurons, "recurrent.")?;
        Ok(EquivariantRnn { config, recurrent })
    }

    /// The options.
    pub fn config(&self) -> &RecurrentConfig {
        &self.config
    }

    /// Channels of the state.
    pub fn features(&self) -> usize {
        self.config.neurons * self.config.symmetry.components()
    }

    /// Initial values: `input.weight`, `recurrent.*`, `output.weight`, `output.bias`, and with gates
    /// `reset.state.weight`, `reset.state.bias`, `reset.input.weight` and those of `update`.
    ///
    /// # Errors
    /// None that a network of this kind can cause; as [`Builder::finish`].
    pub fn parameters(&self, seed: u64) -> Result<Parameters> {
        let RecurrentConfig { symmetry, neurons, inputs, outputs, gated, sigma_w } = self.config;
        let mut builder = Builder::new(seed);
        builder.affine("input", &[self.features(), inputs], false);
        self.recurrent.parameters(&mut builder, sigma_w);
        builder.affine("output", &[outputs, self.features()], true);
        if gated {
            let seen = if matches!(symmetry, Symmetry::Generic { .. }) { self.features() } else { neurons };
            for gate in ["reset", "update"] {
                builder.affine(&format!("{gate}.state"), &[neurons, seen], true);
                builder.affine(&format!("{gate}.input"), &[neurons, seen], false);
            }
        }
        builder.finish()
    }

    /// The state before the first step, zeros `[batch, features]`.
    ///
    /// # Errors
    /// Whatever making a tensor returns.
    pub fn initial(&self, tape: &mut Tape, batch: usize) -> Result<Var> {
        tape.fill(0.0, &[batch, self.features()], DType::F32)
    }

    /// The drive `U x` of an input `[B, inputs]`.
    ///
    /// # Errors
    /// `Shape`, `DType`; `Param` if `bound` lacks a parameter.
    pub fn drive(&self, tape: &mut Tape, bound: &Bound, x: Var) -> Result<Var> {
        tape.linear(x, bound.get("input.weight")?, None, 1)
    }

    /// The state after `h` under the drive `u`, both `[B, features]`.
    ///
    /// # Errors
    /// `Shape`, `DType`; `Param` if `bound` lacks a parameter.
    pub fn step(&self, tape: &mut Tape, bound: &Bound, h: Var, u: Var) -> Result<Var> {
        let k = self.config.symmetry.components();
        if !self.config.gated {
            let z = self.recurrent.forward(tape, bound, h)?;
            let z = tape.add(z, u)?;
            return tape.radial_tanh(z, 1, k);
        }
        let seen = match self.config.symmetry {
            Symmetry::Generic { .. } => [h, u],
            _ => [tape.readout_norm(h, None, 1, k)?, tape.readout_norm(u, None, 1, k)?],
        };
        let reset = gate(tape, bound, "reset", seen)?;
        let kept = tape.gate(h, reset, 1, k)?;
        let z = self.recurrent.forward(tape, bound, kept)?;
        let z = tape.add(z, u)?;
        let candidate = tape.radial_tanh(z, 1, k)?;
        let update = gate(tape, bound, "update", seen)?;
        let change = tape.axpy(-1.0, h, candidate)?;
        let change = tape.gate(change, update, 1, k)?;
        tape.add(h, change)
    }

    /// What a state says, `[B, outputs]`.
    ///
    /// # Errors
    /// `Shape`, `DType`; `Param` if `bound` lacks a parameter.
    pub fn readout(&self, tape: &mut Tape, bound: &Bound, h: Var) -> Result<Var> {
        tape.linear(h, bound.get("output.weight")?, Some(bound.get("output.bias")?), 1)
    }

    /// The states after each of `inputs`, from zeros. Each input is `[B, inputs]`.
    ///
    /// # Errors
    /// `Param` without inputs; as [`EquivariantRnn::step`].
    pub fn forward(&self, tape: &mut Tape, bound: &Bound, inputs: &[Var]) -> Result<Vec<Var>> {
        let Some(first) = inputs.first() else {
            return Err(Error::argument(ErrorKind::Param, "EquivariantRnn", "inputs", 0, "at least 1 step"));
        };
        let batch = tape.spec(*first)?.shape.first().copied().unwrap_or(0);
        let mut h = self.initial(tape, batch)?;
        let mut states = Vec::with_capacity(inputs.len());
        for x in inputs {
            let u = self.drive(tape, bound, *x)?;
            h = self.step(tape, bound, h, u)?;
            states.push(h);
        }
        Ok(states)
    }
}

/// `A h + B u + b`, what goes into a gate.
fn gate(tape: &mut Tape, bound: &Bound, name: &str, [h, u]: [Var; 2]) -> Result<Var> {
    let get = |rest: &str| bound.get(&format!("{name}.{rest}"));
    let state = tape.linear(h, get("state.weight")?, Some(get("state.bias")?), 1)?;
    let input = tape.linear(u, get("input.weight")?, None, 1)?;
    tape.add(state, input)
}
