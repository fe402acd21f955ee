//! The image classifier: convolutional Kuramoto layers, halved in extent and doubled in channels from one to the next.

use super::block::{Block, Mode, centred, same};
use super::coupling::Coupling;
use super::layer::{DriveNorm, KuramotoLayer, LayerConfig, Run, Trajectory};
use super::readout::Readout;
use crate::error::{Error, ErrorKind, Result};
use crate::model::parameters::{Bound, Builder, Initial, Parameters, Role};
use crate::model::trainer::BatchStatistics;
use crate::ops::conv2d::ConvOptions;
use crate::ops::sphere_step::Rotation;
use crate::tape::{Tape, Var};

pub use super::block::Mode as ClassifierMode;

/// Options of the classifier.
#[derive(Clone, PartialEq, Debug)]
pub struct ClassifierConfig {
    /// Colours of an image.
    pub colours: usize,
    /// Classes.
    pub classes: usize,
    /// Channels of the first layer; each further one has twice as many.
    pub channels: usize,
    /// Components of one oscillator.
    pub n: usize,
    /// Side of each layer's coupling kernel, which is odd; their number is that of the layers.
    pub kernels: Vec<usize>,
    /// What is done to the drive.
    pub drive_norm: DriveNorm,
    /// The linear part; one learned frequency a layer in the published network.
    pub rotation: Rotation,
    /// Where frequencies begin.
    pub initial_frequency: f32,
}

impl Default for ClassifierConfig {
    /// The published network for CIFAR10.
    fn default() -> ClassifierConfig {
        ClassifierConfig {
            colours: 3,
            classes: 10,
            channels: 64,
            n: 2,
            kernels: vec![9, 7, 5],
            drive_norm: DriveNorm::Group,
            rotation: Rotation::Global,
            initial_frequency: 1.0,
        }
    }
}

/// Numbers whose length one output channel of the classifier's readout is.
const READOUT_N: usize = 2;

/// The network.
#[derive(Clone, Debug)]
pub struct Classifier {
    config: ClassifierConfig,
    layers: Vec<(KuramotoLayer, Readout, [Block; 3])>,
}

/// What the network computed.
#[derive(Clone, Debug)]
pub struct Classified {
    /// `[B, classes]`.
    pub logits: Var,
    /// Of the last layer.
    pub trajectory: Trajectory,
    /// Of every batch normalisation, in training: a [`Trainer`](crate::model::Trainer) updates the running ones.
    pub statistics: Vec<BatchStatistics>,
}

impl Classifier {
    /// The network of `config`.
    ///
    /// # Errors
    /// `Param` without layers, colours or classes; as [`KuramotoLayer::new`].
    pub fn new(config: ClassifierConfig) -> Result<Classifier> {
        if config.kernels.is_empty() || config.colours * config.classes == 0 || config.kernels.len() > 16 {
            let got =
                format!("{} kernels, {} colours, {} classes", config.kernels.len(), config.colours, config.classes);
            return Err(Error::argument(
                ErrorKind::Param,
                "Classifier",
                "options",
                got,
                "1 to 16 layers, some colours and classes",
            ));
        }
        let layers = config.kernels.iter().enumerate().map(|(l, kernel)| {
            let channels = config.channels << l;
            let options = LayerConfig {
                drive_norm: config.drive_norm,
                rotation: config.rotation,
                initial_frequency: config.initial_frequency,
                ..LayerConfig::new(channels, config.n, Coupling::Conv2d { kernel: *kernel })
            };
            let layer = KuramotoLayer::new(options, format!("layers.{l}.2."))?;
            let readout = Readout::new(channels, channels, READOUT_N, 3, format!("layers.{l}.3.0."))?;
            let block = |rest: &str| Block {
                prefix: format!("layers.{l}.3.{rest}"),
                channels,
                out: channels,
                kernel: 3,
                norm: true,
            };
            Ok((layer, readout, [block("1.fn.fn.0.fn."), block("1.fn.fn.1.fn."), block("2.fn.")]))
        });
        let layers = layers.collect::<Result<_>>()?;
        Ok(Classifier { config, layers })
    }

    /// The options.
    pub fn config(&self) -> &ClassifierConfig {
        &self.config
    }

    /// Initial parameters, drawn from `seed`. The step size stays at 1.
    ///
    /// # Errors
    /// As [`KuramotoLayer::parameters`].
    pub fn parameters(&self, seed: u64) -> Result<Parameters> {
        let ClassifierConfig { colours, classes, channels, .. } = self.config;
        let mut builder = Builder::new(seed);
        builder.add("gamma", &[1], Role::Frozen, Initial::Constant(1.0));
        builder.affine("conv0", &[channels, colours, 3, 3], false);
        for (l, (layer, readout, blocks)) in self.layers.iter().enumerate() {
            if l > 0 {
                let shape = [channels << l, channels << (l - 1), 3, 3];
                let (first, second) = (format!("layers.{l}.0.0"), format!("layers.{l}.0.1"));
                builder.affine(&first, &shape, true);
                // State and drive go through one convolution, which published files hold under two names.
                for (rest, shape) in [("weight", &shape[..]), ("bias", &shape[..1])] {
                    let role = Role::Alias(format!("{first}.{rest}"));
                    builder.add(format!("{second}.{rest}"), shape, role, Initial::Constant(0.0));
                }
            }
            layer.parameters(&mut builder)?;
            readout.parameters(&mut builder);
            blocks.iter().for_each(|block| block.parameters(&mut builder));
        }
        builder.affine("out", &[classes, channels << (self.layers.len() - 1)], true);
        builder.finish()
    }

    /// Extents of a batch's noise for images of `height` x `width`.
    pub fn noise_shape(&self, batch: usize, height: usize, width: usize) -> [usize; 4] {
        [batch, self.config.channels, height, width]
    }

    /// Classifies images `[B, colours, H, W]` with values in `[0, 1]`, starting from the oscillators `noise`
    /// `[B, channels, H, W]` of any scale. In training, batch normalisation uses the batch's statistics.
    ///
    /// # Errors
    /// `Shape`, `DType`; as [`KuramotoLayer::forward`].
    pub fn forward(
        &self,
        tape: &mut Tape,
        bound: &Bound,
        image: Var,
        noise: Var,
        run: &Run,
        mode: Mode,
    ) -> Result<Classified> {
        let image = centred(tape, image)?;
        let mut c = tape.conv2d(image, bound.get("conv0.weight")?, None, same(3))?;
        let (mut x, gamma) = (noise, bound.get("gamma")?);
        let (mut last, mut statistics) = (None, Vec::new());
        for (l, (layer, readout, [first, second, third])) in self.layers.iter().enumerate() {
            if l > 0 {
                let weight = bound.get(&format!("layers.{l}.0.0.weight"))?;
                let bias = bound.get(&format!("layers.{l}.0.0.bias"))?;
                let options = ConvOptions { stride: [2; 2], padding: [1; 2] };
                x = tape.conv2d(x, weight, Some(bias), options)?;
                c = tape.conv2d(c, weight, Some(bias), options)?;
            }
            let trajectory = layer.forward(tape, bound, x, c, gamma, run)?;
            x = trajectory.state;
            c = readout.forward(tape, bound, x)?;
            let inner = first.forward(tape, bound, c, mode, &mut statistics)?;
            let inner = second.forward(tape, bound, inner, mode, &mut statistics)?;
            c = tape.add(c, inner)?;
            c = third.forward(tape, bound, c, mode, &mut statistics)?;
            last = Some(trajectory);
        }
        let pooled = tape.pool_average(c)?;
        let logits = tape.linear(pooled, bound.get("out.weight")?, Some(bound.get("out.bias")?), 1)?;
        let trajectory = last.ok_or_else(|| Error::new(ErrorKind::Param, "Classifier: no layers"))?;
        Ok(Classified { logits, trajectory, statistics })
    }
}
