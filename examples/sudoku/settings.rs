//! What a training run is made of: presets, flags over them, and what may change when it goes on.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use kuramoto::model::TrainerOptions;
use kuramoto::model::akorn::Run;
use kuramoto::{AdamOptions, Storage, WarmUp};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

use super::network::{Model, Options};

/// Tells the random numbers of the lengths of runs from those of orders and names.
const LENGTHS: u64 = 1 << 62;

/// Sets of values for the flags.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// The published recipe: 512 channels, 16 steps, 9000 boards, 100 epochs
    Paper,
    /// A network of the same kind for a small device: 128 channels, boards with new names for the digits each time
    Small,
    /// Boards of 4 x 4, in about a minute on two idle cores of a processor
    Tiny,
}

/// How a run is trained. Flags that are left out take the value of the preset.
#[derive(Args, Clone, Debug, Default)]
pub struct Flags {
    /// Values of all flags that are not given; `paper` unless said otherwise
    #[arg(long, value_enum)]
    pub preset: Option<Preset>,
    /// Which network
    #[arg(long, value_enum)]
    pub model: Option<Model>,
    /// Cells along a side: 9 or 4
    #[arg(long)]
    pub side: Option<usize>,
    /// Channels, a multiple of --n and of --heads
    #[arg(long)]
    pub channels: Option<usize>,
    /// Components of an oscillator
    #[arg(long)]
    pub n: Option<usize>,
    /// Heads of the attention
    #[arg(long)]
    pub heads: Option<usize>,
    /// Kuramoto layers, or blocks of the baseline
    #[arg(long)]
    pub layers: Option<usize>,
    /// The natural frequency that learning starts from
    #[arg(long)]
    pub frequency: Option<f32>,
    /// Steps of the oscillators, or rounds of the baseline's attention; may be changed when a run is resumed
    #[arg(long, short)]
    pub t: Option<usize>,
    /// Each step of the optimiser draws its own number of steps from --t less this to --t and this, so that answers do
    /// not depend on stopping in time; may be changed when a run is resumed
    #[arg(long)]
    pub spread: Option<usize>,
    /// Boards of a step of the optimiser
    #[arg(long, value_parser = at_least_one)]
    pub batch: Option<usize>,
    /// Learning rate of Adam; may be changed when a run is resumed
    #[arg(long)]
    pub rate: Option<f64>,
    /// The largest norm of all gradients together, 0 for no bound
    #[arg(long)]
    pub clip: Option<f64>,
    /// The decay of the weights' moving average, which is what is tested and exported; 0 for none
    #[arg(long)]
    pub ema: Option<f64>,
    /// Up to this step the moving average is a copy
    #[arg(long)]
    pub ema_start: Option<u32>,
    /// Steps between updates of the moving average
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub ema_every: Option<u32>,
    /// Steps of the optimiser in all; may be changed when a run is resumed
    #[arg(long, conflicts_with = "epochs")]
    pub steps: Option<u32>,
    /// Rounds through the training boards in all, in place of --steps
    #[arg(long)]
    pub epochs: Option<u32>,
    /// Boards to train on
    #[arg(long, value_parser = at_least_one)]
    pub boards: Option<usize>,
    /// Whether digits get new names at random each time a board is seen; the published recipe leaves them
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    pub relabel: Option<bool>,
    /// Of the boards, the parameters, the order and the random starts
    #[arg(long)]
    pub seed: Option<u64>,
    /// Keep every so many states for the backward pass and compute the others again, which saves memory; 0 keeps all.
    /// May be changed when a run is resumed
    #[arg(long)]
    pub keep: Option<usize>,
}

pub fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "a whole number of at least 1".to_owned())
}

/// All values of a run, none left open.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Settings {
    pub preset: Preset,
    pub network: Options,
    pub t: usize,
    #[serde(default)]
    pub spread: usize,
    pub batch: usize,
    pub rate: f64,
    pub clip: f64,
    pub ema: f64,
    pub ema_start: u32,
    pub ema_every: u32,
    pub steps: u32,
    pub boards: usize,
    pub relabel: bool,
    pub seed: u64,
    pub keep: usize,
}

/// A change of an option in the middle of a run.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Change {
    /// Steps that were done before.
    pub step: u32,
    pub option: String,
    pub before: String,
    pub after: String,
}

impl Settings {
    fn preset(preset: Preset, model: Model) -> Settings {
        let network = |side, channels, heads| Options { model, side, channels, n: 4, heads, layers: 1, frequency: 0.5 };
        let published = match model {
            Model::Akorn => 1e-3,
            Model::Itrsa => 5e-4,
        };
        let paper = Settings {
            preset,
            network: network(9, 512, 8),
            t: 16,
            spread: 0,
            batch: 100,
            rate: published,
            clip: 1.0,
            ema: 0.995,
            ema_start: 100,
            ema_every: 10,
            steps: 9000,
            boards: 9000,
            relabel: false,
            seed: 1,
            keep: 0,
        };
        match preset {
            Preset::Paper => paper,
            Preset::Small => Settings { network: network(9, 128, 8), relabel: true, ..paper },
            Preset::Tiny => Settings {
                network: network(4, 32, 8),
                t: 10,
                batch: 16,
                // Each the best of those tried; the baseline is the slower to learn.
                rate: match model {
                    Model::Akorn => 1.5e-2,
                    Model::Itrsa => 8e-3,
                },
                ema: 0.9,
                ema_start: 20,
                ema_every: 5,
                steps: 400,
                boards: 2000,
                relabel: true,
                ..paper
            },
        }
    }

    /// The settings of a new run.
    ///
    /// # Errors
    /// For flags that do not fit each other.
    pub fn new(flags: &Flags) -> Result<Settings, String> {
        let model = flags.model.unwrap_or(Model::Akorn);
        let mut settings = Settings::preset(flags.preset.unwrap_or(Preset::Paper), model);
        settings.assign(flags);
        settings.checked()
    }

    fn assign(&mut self, flags: &Flags) {
        fn set<T: Copy>(slot: &mut T, flag: Option<T>) {
            *slot = flag.unwrap_or(*slot);
        }
        set(&mut self.preset, flags.preset);
        set(&mut self.network.model, flags.model);
        set(&mut self.network.side, flags.side);
        set(&mut self.network.channels, flags.channels);
        set(&mut self.network.n, flags.n);
        set(&mut self.network.heads, flags.heads);
        set(&mut self.network.layers, flags.layers);
        set(&mut self.network.frequency, flags.frequency);
        set(&mut self.t, flags.t);
        set(&mut self.spread, flags.spread);
        set(&mut self.batch, flags.batch);
        set(&mut self.rate, flags.rate);
        set(&mut self.clip, flags.clip);
        set(&mut self.ema, flags.ema);
        set(&mut self.ema_start, flags.ema_start);
        set(&mut self.ema_every, flags.ema_every);
        set(&mut self.boards, flags.boards);
        set(&mut self.relabel, flags.relabel);
        set(&mut self.seed, flags.seed);
        set(&mut self.keep, flags.keep);
        let rounds = |epochs: u32| (u64::from(epochs) * self.boards as u64).div_ceil(self.batch as u64);
        let epochs = flags.epochs.map(|epochs| u32::try_from(rounds(epochs)).unwrap_or(u32::MAX));
        set(&mut self.steps, flags.steps.or(epochs));
    }

    /// The optimiser, and the moving average if there is one.
    pub fn trainer(&self) -> TrainerOptions {
        let adam = AdamOptions::new(self.rate);
        let options = TrainerOptions::new(if self.clip > 0.0 { adam.clip(self.clip) } else { adam });
        match self.ema > 0.0 {
            true => options.average(WarmUp { start: self.ema_start, every: self.ema_every, max_decay: self.ema }),
            false => options,
        }
    }

    /// How the oscillators run in the optimiser's step number `step`: a matter of the seed and of that number, so that a
    /// run that goes on does what it would have done.
    pub fn run(&self, step: u32) -> Run {
        let t = match self.spread {
            0 => self.t,
            spread => {
                let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
                rng.set_stream(LENGTHS | u64::from(step));
                rng.random_range(self.t - spread..=self.t + spread)
            }
        };
        Run::new(t).storage(if self.keep == 0 { Storage::Everything } else { Storage::Every(self.keep) })
    }

    fn checked(self) -> Result<Settings, String> {
        let within = |name: &str, value: f64, most: f64| match (0.0..=most).contains(&value) {
            true => Ok(()),
            false => Err(format!("--{name} is {value}; expected a number from 0 to {most}")),
        };
        within("rate", self.rate, 1.0)?;
        within("ema", self.ema, 1.0)?;
        within("clip", self.clip, f64::MAX)?;
        if self.spread > 0 && self.spread >= self.t {
            return Err(format!(
                "--spread is {}; with --t {} it is at most {}",
                self.spread,
                self.t,
                self.t.max(1) - 1
            ));
        }
        if self.network.side != 9 && self.network.side != 4 {
            return Err(format!("--side is {}; boards have 9 or 4 cells a side", self.network.side));
        }
        Ok(self)
    }

    /// These settings with the flags of a command that resumes the run after `step` steps, and what that changes.
    ///
    /// # Errors
    /// For a flag that would make another run of it.
    pub fn resumed(&self, flags: &Flags, step: u32) -> Result<(Settings, Vec<Change>), String> {
        let mut settings = self.clone();
        settings.assign(flags);
        let mut changes = Vec::new();
        let (before, after) = (options(self), options(&settings));
        for ((option, before), (_, after)) in before.into_iter().zip(after).filter(|(a, b)| a.1 != b.1) {
            if !["rate", "t", "spread", "steps", "keep"].contains(&option.as_str()) {
                let can = "--rate, --t, --spread, --steps and --keep can change";
                return Err(format!("{option} is {before} in this run, not {after}: of a run that is resumed, {can}"));
            }
            changes.push(Change { step, option, before, after });
        }
        Ok((settings.checked()?, changes))
    }
}

/// Names and values, in a fixed order, those of the network among them.
fn options(settings: &Settings) -> Vec<(String, String)> {
    let value = serde_json::to_value(settings).unwrap_or_default();
    let mut list = Vec::new();
    for (name, value) in value.as_object().into_iter().flatten() {
        match value.as_object() {
            Some(inner) => list.extend(inner.iter().map(|(name, value)| (name.clone(), value.to_string()))),
            None => list.push((name.clone(), value.to_string())),
        }
    }
    list
}

/// Where a run reads and writes.
#[derive(Args, Clone, Debug)]
pub struct Places {
    /// The folder of the run: checkpoint, log, plot, weights
    #[arg(long, default_value = "out/sudoku")]
    pub out: PathBuf,
    /// Where boards are kept that were made
    #[arg(long, default_value = super::data::FOLDER)]
    pub data: PathBuf,
    /// Write the outcome to this file as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}
