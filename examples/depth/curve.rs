//! The order parameter of wide random networks.

use kuramoto::cpu::noise;
use kuramoto::model::Builder;
use kuramoto::model::equivariant::{DeepConfig, EquivariantBlock, Symmetry, order};
use kuramoto::{Context, DType, Distribution, Result, Stream, Tape};

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
/// The stream of noise that inputs are drawn from.
const DRAWN: u32 = 110;

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
    let block = EquivariantBlock::new(DeepConfig { symmetry, neurons, layers, sigma_w: sigma_w as f32 }, "layers.")?;
    let mut each = Vec::with_capacity(networks);
    let mut norm = 0.0;
    for network in 0..networks as u64 {
        let mut builder = Builder::new(seed.wrapping_mul(1000) + network);
        block.parameters(&mut builder);
        let parameters = builder.finish()?;
        let mut tape = Tape::new(context);
        let bound = parameters.place(&mut tape)?.bind_constant(&mut tape);
        let stream = Stream { seed: seed + network, stream: DRAWN, ..Stream::default() };
        let data: Vec<f64> = noise::forward(&stream, Distribution::Gaussian, INPUTS, block.features());
        let x = tape.upload(&data, &[INPUTS, block.features()], DType::F32)?;
        let x = tape.constant(x);
        let states = block.forward(&mut tape, &bound, x)?.states;
        let (mut squares, mut norms) = (0.0, 0.0);
        for state in &states[settle..] {
            let found = order(&tape.read(*state)?, k)?;
            squares += found.square;
            norms += found.norm;
        }
        let count = (layers - settle) as f64;
        each.push(squares / count);
        norm += norms / count / networks as f64;
        drop(tape);
        context.trim();
    }
    let c = each.iter().sum::<f64>() / networks as f64;
    let square = each.iter().map(|v| (v - c).powi(2)).sum::<f64>() / (networks.max(2) - 1) as f64;
    Ok(Found { c, spread: square.sqrt(), norm })
}
