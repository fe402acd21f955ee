//! The network of object discovery: patches drive oscillators that group themselves.

use super::block::centred;
use super::coupling::Coupling;
use super::layer::{DriveNorm, KuramotoLayer, LayerConfig, Run, Trajectory};
use super::readout::Readout;
use crate::error::{Error, ErrorKind, Result};
use crate::model::parameters::{Bound, Builder, Initial, Parameters, Role};
use crate::ops::conv2d::ConvOptions;
use crate::ops::sphere_step::Rotation;
use crate::tape::{Tape, Var};

/// Options of the network.
#[derive(Clone, PartialEq, Debug)]
pub struct ObjectConfig {
    /// Side of the square images.
    pub image: usize,
    /// Colours of an image.
    pub colours: usize,
    /// Side of a patch; it divides that of the image.
    pub patch: usize,
    /// Channels of every layer.
    pub channels: usize,
    /// Components of one oscillator.
    pub n: usize,
    /// Kuramoto layers.
    pub layers: usize,
    /// Attention with this many heads, or a convolution.
    pub coupling: ObjectCoupling,
    /// What is done to the drive.
    pub drive_norm: DriveNorm,
    /// The linear part; `Identity` in the published networks (their frequencies are off).
    pub rotation: Rotation,
    /// Where frequencies begin.
    pub initial_frequency: f32,
}

/// The coupling of all layers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ObjectCoupling {
    /// Self-attention.
    Attention {
        /// Heads.
        heads: usize,
        /// Whether learned position matrices turn query, key, value and output ("gta").
        positions: bool,
    },
    /// A convolution with a kernel of this side.
    Conv2d {
        /// Side of the kernel.
        kernel: usize,
    },
}

impl Default for ObjectConfig {
    /// The published network for images of 128 x 128.
    fn default() -> ObjectConfig {
        ObjectConfig {
            image: 128,
            colours: 3,
            patch: 8,
            channels: 256,
            n: 4,
            layers: 1,
            coupling: ObjectCoupling::Attention { heads: 8, positions: true },
            drive_norm: DriveNorm::Group,
            rotation: Rotation::Identity,
            initial_frequency: 0.1,
        }
    }
}

/// The network.
#[derive(Clone, Debug)]
pub struct ObjectNet {
    config: ObjectConfig,
    layers: Vec<(KuramotoLayer, Readout)>,
}

/// What the network computed.
#[derive(Clone, Debug)]
pub struct Objects {
    /// The embedding of the whole image `[B, channels]`, which contrastive training compares.
    pub embedding: Var,
    /// The last readout `[B, channels, h, w]`: one feature a patch, which evaluation clusters.
    pub features: Var,
    /// Of the last layer.
    pub trajectory: Trajectory,
}

impl ObjectNet {
    /// The network of `config`.
    ///
    /// # Errors
    /// `Param` if patches do not divide the image or there are no layers; as [`KuramotoLayer::new`].
    pub fn new(config: ObjectConfig) -> Result<ObjectNet> {
        let ObjectConfig { image, patch, channels, n, .. } = config;
        if patch == 0 || image == 0 || image % patch != 0 || config.layers == 0 || config.colours == 0 {
            let got = format!("image {image}, patch {patch}, {} layers, {} colours", config.layers, config.colours);
            let wanted = "a patch that divides the image, and at least one of the others";
            return Err(Error::argument(ErrorKind::Param, "ObjectNet", "options", got, wanted));
        }
        let grid = [image / patch; 2];
        let layers = (0..config.layers).map(|l| {
            let coupling = match config.coupling {
                ObjectCoupling::Attention { heads, positions } => {
                    Coupling::Attention { heads, positions: positions.then_some(grid), causal: false }
                }
                ObjectCoupling::Conv2d { kernel } => Coupling::Conv2d { kernel },
            };
            let options = LayerConfig {
                drive_norm: config.drive_norm,
                rotation: config.rotation,
                initial_frequency: config.initial_frequency,
                ..LayerConfig::new(channels, n, coupling)
            };
            let layer = KuramotoLayer::new(options, format!("layers.{l}.0."))?;
            Ok((layer, Readout::new(channels, channels, n, 1, format!("layers.{l}.1."))?))
        });
        let layers = layers.collect::<Result<_>>()?;
        Ok(ObjectNet { config, layers })
    }

    /// The options.
    pub fn config(&self) -> &ObjectConfig {
        &self.config
    }

    /// Initial parameters, drawn from `seed`. The step size stays at 1.
    ///
    /// # Errors
    /// As [`KuramotoLayer::parameters`].
    pub fn parameters(&self, seed: u64) -> Result<Parameters> {
        let ObjectConfig { channels, patch, colours, .. } = self.config;
        let mut builder = Builder::new(seed);
        builder.add("gamma", &[1], Role::Frozen, Initial::Constant(1.0));
        builder.affine("patchfy.1", &[channels, colours, patch, patch], true);
        for (layer, readout) in &self.layers {
            layer.parameters(&mut builder)?;
            readout.parameters(&mut builder);
        }
        builder.affine("out.3", &[4 * channels, channels], true);
        builder.affine("out.5", &[channels, 4 * channels], true);
        builder.finish()
    }

    /// Extents of a batch's noise.
    pub fn noise_shape(&self, batch: usize) -> [usize; 4] {
        let grid = self.config.image / self.config.patch;
        [batch, self.config.channels, grid, grid]
    }

    /// Runs on images `[B, colours, H, W]` with values in `[0, 1]`, from the oscillators `noise`
    /// `[B, channels, H / patch, W / patch]` of any scale. Other extents than the configured ones resample the position
    /// matrices.
    ///
    /// # Errors
    /// `Shape`, `DType`; as [`KuramotoLayer::forward`].
    pub fn forward(&self, tape: &mut Tape, bound: &Bound, image: Var, noise: Var, run: &Run) -> Result<Objects> {
        let patch = self.config.patch;
        let options = ConvOptions { stride: [patch; 2], padding: [0; 2] };
        let image = centred(tape, image)?;
        let weight = bound.get("patchfy.1.weight")?;
        let mut c = tape.conv2d(image, weight, Some(bound.get("patchfy.1.bias")?), options)?;
        let (mut x, gamma) = (noise, bound.get("gamma")?);
        let mut last = None;
        for (layer, readout) in &self.layers {
            let trajectory = layer.forward(tape, bound, x, c, gamma, run)?;
            x = trajectory.state;
            c = readout.forward(tape, bound, x)?;
            last = Some(trajectory);
        }
        let pooled = tape.pool_max(c)?;
        let hidden = tape.linear(pooled, bound.get("out.3.weight")?, Some(bound.get("out.3.bias")?), 1)?;
        let hidden = tape.relu(hidden)?;
        let embedding = tape.linear(hidden, bound.get("out.5.weight")?, Some(bound.get("out.5.bias")?), 1)?;
        let trajectory = last.ok_or_else(|| Error::new(ErrorKind::Param, "ObjectNet: no layers"))?;
        Ok(Objects { embedding, features: c, trajectory })
    }
}
