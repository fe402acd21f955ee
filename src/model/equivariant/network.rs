//! Deep networks: a block of equal layers, and the classifier around it.

use super::linear::{EquivariantLinear, Symmetry};
use crate::error::{Error, ErrorKind, Result};
use crate::model::parameters::{Bound, Builder, Parameters};
use crate::tape::{Tape, Var};

/// Options of a block of layers.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct DeepConfig {
    /// With what the layers commute.
    pub symmetry: Symmetry,
    /// Neurons of every layer; a state has `symmetry.components()` times as many channels.
    pub neurons: usize,
    /// Layers, each a linear map and the activation.
    pub layers: usize,
    /// Scaled deviation of the initial weights; the symmetry breaks above 1.
    pub sigma_w: f32,
}

/// What a block computed.
#[derive(Clone, Debug)]
pub struct Propagated {
    /// The state after the last activation.
    pub state: Var,
    /// The state after each activation.
    pub states: Vec<Var>,
}

/// `layers` times `x = phi(W x)`. The maps are the members `0., 2., 4., ..` of a sequence whose odd ones are the
/// activations, as published checkpoints count.
#[derive(Clone, Debug)]
pub struct EquivariantBlock {
    config: DeepConfig,
    maps: Vec<EquivariantLinear>,
}

impl EquivariantBlock {
    /// A block whose parameters' names begin with `prefix` (`"layers."`).
    ///
    /// # Errors
    /// `Param` without layers, neurons or components, or for a `sigma_w` that is negative or not finite.
    pub fn new(config: DeepConfig, prefix: &str) -> Result<EquivariantBlock> {
        if config.layers == 0 {
            return Err(Error::argument(ErrorKind::Param, "EquivariantBlock", "layers", 0, "at least 1"));
        }
        check_sigma("EquivariantBlock", config.sigma_w)?;
        let map = |l: usize| {
            let prefix = format!("{prefix}{}.", 2 * l);
            EquivariantLinear::new(config.symmetry, config.neurons, config.neurons, prefix)
        };
        Ok(EquivariantBlock { config, maps: (0..config.layers).map(map).collect::<Result<_>>()? })
    }

    /// The options.
    pub fn config(&self) -> &DeepConfig {
        &self.config
    }

    /// Channels of a state.
    pub fn features(&self) -> usize {
        self.config.neurons * self.config.symmetry.components()
    }

    /// Adds the weights.
    pub fn parameters(&self, builder: &mut Builder) {
        self.maps.iter().for_each(|map| map.parameters(builder, self.config.sigma_w));
    }

    /// All layers on `x` `[B, features, ..]`.
    ///
    /// # Errors
    /// `Shape`, `DType`; `Param` if `bound` lacks a parameter.
    pub fn forward(&self, tape: &mut Tape, bound: &Bound, x: Var) -> Result<Propagated> {
        let (mut state, mut states) = (x, Vec::with_capacity(self.maps.len()));
        for map in &self.maps {
            let z = map.forward(tape, bound, state)?;
            state = tape.radial_tanh(z, 1, self.config.symmetry.components())?;
            states.push(state);
        }
        Ok(Propagated { state, states })
    }
}

/// Refuses what is no deviation.
pub(super) fn check_sigma(of: &str, sigma_w: f32) -> Result<()> {
    if sigma_w.is_finite() && sigma_w >= 0.0 {
        return Ok(());
    }
    Err(Error::argument(ErrorKind::Param, of, "sigma_w", sigma_w, "a deviation: finite and not negative"))
}

/// The classifier of arXiv 2605.14685: an affine encoder, a block, an affine decoder. Encoder and decoder have biases and
/// break the symmetry; what lies between keeps it.
#[derive(Clone, Debug)]
pub struct EquivariantNet {
    inputs: usize,
    outputs: usize,
    block: EquivariantBlock,
}

impl EquivariantNet {
    /// From `inputs` numbers to `outputs` logits.
    ///
    /// # Errors
    /// `Param` without inputs or outputs; as [`EquivariantBlock::new`].
    pub fn new(inputs: usize, outputs: usize, config: DeepConfig) -> Result<EquivariantNet> {
        if inputs * outputs == 0 {
            let got = format!("{inputs} to {outputs}");
            return Err(Error::argument(ErrorKind::Param, "EquivariantNet", "extents", got, "none of them zero"));
        }
        Ok(EquivariantNet { inputs, outputs, block: EquivariantBlock::new(config, "layers.")? })
    }

    /// The layers between encoder and decoder.
    pub fn block(&self) -> &EquivariantBlock {
        &self.block
    }

    /// Initial values: `encoder.weight`, `encoder.bias`, `layers.0.w1`, .., `decoder.weight`, `decoder.bias`.
    ///
    /// # Errors
    /// None that a network of this kind can cause; as [`Builder::finish`].
    pub fn parameters(&self, seed: u64) -> Result<Parameters> {
        let mut builder = Builder::new(seed);
        builder.affine("encoder", &[self.block.features(), self.inputs], true);
        self.block.parameters(&mut builder);
        builder.affine("decoder", &[self.outputs, self.block.features()], true);
        builder.finish()
    }

    /// `[B, inputs]` to logits `[B, outputs]`, and the states on the way.
    ///
    /// # Errors
    /// `Shape`, `DType`; `Param` if `bound` lacks a parameter.
    pub fn forward(&self, tape: &mut Tape, bound: &Bound, x: Var) -> Result<(Var, Propagated)> {
        let affine = |tape: &mut Tape, name: &str, x: Var| {
            let (weight, bias) = (bound.get(&format!("{name}.weight"))?, bound.get(&format!("{name}.bias"))?);
            tape.linear(x, weight, Some(bias), 1)
        };
        let encoded = affine(tape, "encoder", x)?;
        let propagated = self.block.forward(tape, bound, encoded)?;
        Ok((affine(tape, "decoder", propagated.state)?, propagated))
    }
}
