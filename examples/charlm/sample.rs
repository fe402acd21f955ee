//! Text that a trained network makes up.

use std::error::Error;
use std::path::PathBuf;

use kuramoto::{Context, DType, Tape};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use crate::network::{Kind, Network};
use crate::run;

/// Flags of the command.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The folder of a run
    #[arg(long, default_value = "target/charlm")]
    run: PathBuf,
    /// Which of its networks
    #[arg(long, value_enum, default_value = "torus")]
    model: Kind,
    /// How the text begins
    #[arg(long, default_value = "Version 1.")]
    prompt: String,
    /// How many characters follow
    #[arg(long, default_value_t = 300)]
    length: usize,
    /// Below 1 the likely becomes likelier; 0 takes the likeliest
    #[arg(long, default_value_t = 0.8)]
    temperature: f64,
    /// Seed of the draws
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Prints the prompt and what follows.
pub fn sample(args: &Args) -> Result<(), Box<dyn Error>> {
    if !(args.temperature.is_finite() && args.temperature >= 0.0) {
        return Err(format!("--temperature {}: must not be negative", args.temperature).into());
    }
    let (state, record) = run::load(&run::path(&args.run, args.model))?;
    let settings = &record.settings;
    let network = Network::new(settings.kind, &settings.size, settings.symbols.len())?;
    let mut parameters = network.parameters(settings.seed)?;
    state.parameters(false, &mut parameters)?;
    let context = Context::new()?;
    let placed = parameters.place(&mut Tape::new(&context))?;
    let number = |symbol: char| {
        let found = settings.symbols.binary_search(&symbol);
        found.map(|at| at as u32).map_err(|_| format!("--prompt: the network does not know {symbol:?}"))
    };
    let mut text = args.prompt.chars().map(number).collect::<Result<Vec<u32>, String>>()?;
    if text.is_empty() {
        return Err("--prompt: must not be empty".into());
    }
    let mut rng = ChaCha8Rng::seed_from_u64(args.seed);
    for _ in 0..args.length {
        let seen = &text[text.len().saturating_sub(settings.context)..];
        let mut tape = Tape::new(&context);
        let bound = placed.bind_constant(&mut tape);
        let tokens = tape.upload(seen, &[1, seen.len()], DType::U32)?;
        let tokens = tape.constant(tokens);
        let logits = network.forward(&mut tape, &bound, tokens)?;
        let logits = tape.read(logits)?;
        text.push(draw(&logits[logits.len() - settings.symbols.len()..], args.temperature, rng.random()));
    }
    let text: String = text.iter().filter_map(|number| settings.symbols.get(*number as usize)).collect();
    say!("{text}");
    Ok(())
}

/// The symbol at `place`, in `[0, 1)`, of the softmax of `logits / temperature`.
fn draw(logits: &[f64], temperature: f64, place: f64) -> u32 {
    let (best, largest) = logits
        .iter()
        .copied()
        .enumerate()
        .fold((0, f64::NEG_INFINITY), |top, next| if next.1 > top.1 { next } else { top });
    if temperature == 0.0 {
        return best as u32;
    }
    let weights: Vec<f64> = logits.iter().map(|logit| ((logit - largest) / temperature).exp()).collect();
    let mut left = place * weights.iter().sum::<f64>();
    for (at, weight) in weights.iter().enumerate() {
        left -= weight;
        if left < 0.0 {
            return at as u32;
        }
    }
    best as u32
}
