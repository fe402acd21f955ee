//! The order parameter of wide random networks, whose weights are drawn on the device as they are needed.

use kuramoto::model::equivariant::{Symmetry, order};
use kuramoto::{Commands, Context, DType, Distribution, Result, Stream, Tensor};

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct Simulation {
    pub symmetry: Symmetry,
    pub sigma_w: f64,
    pub neurons: usize,
    pub networks: usize,
    pub seed: u64,
}

/// What came out.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// Mean squared length of a neuron in the later layers.
    pub c: f64,
    /// Deviation of `c` between networks.
    pub spread: f64,
    /// Mean length.
    pub norm: f64,
}

/// Inputs of a network.
const INPUTS: usize = 4;
/// The streams of noise: of inputs, and, from the next on, of weights.
const DRAWN: u32 = 120;

/// Layers of a network, and how many of them forget the input before the rest is averaged. Near the transition order
/// settles like `exp(-2 (sigma_w² - 1) l)` and fluctuates as slowly: more layers are averaged there.
fn layers(sigma_w: f64) -> (usize, usize) {
    match sigma_w {
        s if s <= 0.95 => (60, 50),
        s if s < 1.4 => (150, 40),
        _ => (50, 14),
    }
}

/// Propagates random inputs through random networks on the device, and reads every later layer.
pub fn measure(context: &Context, simulation: &Simulation) -> Result<Found> {
    let Simulation { symmetry, sigma_w, neurons, networks, seed } = *simulation;
    let k = symmetry.components();
    let (layers, settle) = layers(sigma_w);
    let mut each = Vec::with_capacity(networks);
    let mut norm = 0.0;
    for network in 0..networks as u32 {
        let mut commands = context.commands();
        let inputs = Stream { seed, first_sample: INPUTS as u32 * network, step: 0, stream: DRAWN };
        let mut x = commands.noise(inputs, Distribution::Gaussian, &[INPUTS, neurons * k], DType::F32)?;
        let (mut squares, mut norms) = (0.0, 0.0);
        for layer in 0..layers {
            let stream = Stream { seed, first_sample: neurons as u32 * network, step: 1 + layer as u32, stream: DRAWN };
            x = propagate(&mut commands, simulation, stream, &x)?;
            if layer >= settle {
                let state: Vec<f64> = commands.read(&x)?.into_iter().map(f64::from).collect();
                let found = order(&state, k)?;
                squares += found.square;
                norms += found.norm;
            }
        }
        let count = (layers - settle) as f64;
        each.push(squares / count);
        norm += norms / count / networks as f64;
    }
    let c = each.iter().sum::<f64>() / networks as f64;
    let square = each.iter().map(|v| (v - c).powi(2)).sum::<f64>() / (networks.max(2) - 1) as f64;
    Ok(Found { c, spread: square.sqrt(), norm })
}

/// One layer with weights of its own.
fn propagate(commands: &mut Commands, simulation: &Simulation, stream: Stream, x: &Tensor) -> Result<Tensor> {
    let Simulation { symmetry, sigma_w, neurons, .. } = *simulation;
    let weights = |commands: &mut Commands, part: u32, side: usize| -> Result<Tensor> {
        let stream = Stream { stream: stream.stream + part, ..stream };
        let normal = commands.noise(stream, Distribution::Gaussian, &[side, side], DType::F32)?;
        commands.scale(symmetry.deviation(sigma_w as f32, neurons), &normal)
    };
    let z = match symmetry {
        Symmetry::U1 => {
            let (w1, w2) = (weights(commands, 1, neurons)?, weights(commands, 2, neurons)?);
            commands.linear_u1(x, &w1, &w2, 1)?
        }
        Symmetry::Orthogonal { k } => {
            let w = weights(commands, 1, neurons)?;
            commands.linear_ok(x, &w, 1, k)?
        }
        Symmetry::Generic { k } => {
            let w = weights(commands, 1, k * neurons)?;
            commands.linear(x, &w, None, 1)?
        }
    };
    commands.radial_tanh(&z, 1, symmetry.components())
}
