//! Training on short strings and testing on long ones.

use kuramoto::model::{Trainer, TrainerOptions};
use kuramoto::{AdamOptions, Context, DType, Result, Stream, Tape};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use crate::network::{Carried, Kind, Network, Said};
use crate::strings::{CLASSES, Strings};

/// Random starts of training and of tests have streams of their own.
const TRAINING: u32 = 1;
const TESTING: u32 = 2;

/// Brackets that a test reads before it lets go of everything but the state.
const CHUNK: usize = 32;

/// How a network is trained.
#[derive(Clone, Copy)]
pub struct Plan {
    pub seed: u64,
    pub steps: usize,
    pub batch: usize,
    /// Brackets of a training string.
    pub length: usize,
    /// Of the first step; it falls in a line to zero.
    pub rate: f64,
    /// The loss is read after every so many steps, and after the first.
    pub log_every: usize,
}

/// What came of one network.
pub struct Outcome {
    pub kind: Kind,
    pub seed: u64,
    pub learned: usize,
    /// Steps and the loss there.
    pub losses: Vec<(usize, f64)>,
    /// By place in the test strings: the share of strings that are right there, and right up to there.
    pub right: Vec<f64>,
    pub unbroken: Vec<f64>,
    pub seconds: f64,
}

/// A network in training.
pub struct Training<'a> {
    context: &'a Context,
    network: &'a Network,
    plan: Plan,
    pub trainer: Trainer,
    rng: ChaCha8Rng,
}

impl<'a> Training<'a> {
    pub fn new(context: &'a Context, network: &'a Network, plan: Plan) -> Result<Training<'a>> {
        let options = TrainerOptions::new(AdamOptions::new(plan.rate).clip(1.0));
        let trainer = Trainer::new(&mut Tape::new(context), &network.parameters(plan.seed)?, options)?;
        Ok(Training { context, network, plan, trainer, rng: ChaCha8Rng::seed_from_u64(plan.seed) })
    }

    /// One step on strings that were never seen before; its loss, if it is read.
    pub fn step(&mut self) -> Result<Option<f64>> {
        let Plan { seed, steps, batch, length, rate, log_every } = self.plan;
        let done = f64::from(self.trainer.steps()) / steps as f64;
        self.trainer.options().adam.lr = rate * (1.0 - done);
        let strings = Strings::draw(&mut self.rng, batch, length);
        let mut tape = Tape::new(self.context);
        let bound = self.trainer.bind(&mut tape)?;
        let noise = Stream { seed, first_sample: 0, step: self.trainer.steps(), stream: TRAINING };
        let said = self.network.read(&mut tape, &bound, &mut Carried::default(), &strings, 0..length, noise)?;
        let labels = tape.upload(&said.labels, &[said.labels.len()], DType::U32)?;
        let labels = tape.constant(labels);
        let loss = tape.cross_entropy(said.logits, labels, 1)?;
        let gradients = tape.backward(loss)?;
        self.trainer.step(&mut tape, &bound, &gradients, &[])?;
        let step = self.trainer.steps() as usize;
        if step == 1 || step.is_multiple_of(log_every) {
            return Ok(Some(tape.read(loss)?[0]));
        }
        tape.submit()?;
        Ok(None)
    }

    /// Reads `strings` in chunks, each on a tape of its own, and calls `see` with string, place and whether it is right.
    pub fn test(&self, strings: &Strings, chunk: usize, mut see: impl FnMut(usize, usize, bool)) -> Result<()> {
        let placed = self.trainer.placed(false)?;
        let noise = Stream { seed: self.plan.seed, first_sample: 0, step: 0, stream: TESTING };
        let mut carried = Carried::default();
        for start in (0..strings.length).step_by(chunk) {
            let mut tape = Tape::new(self.context);
            let bound = placed.bind_constant(&mut tape);
            let part = start..(start + chunk).min(strings.length);
            let Said { logits, labels, places } =
                self.network.read(&mut tape, &bound, &mut carried, strings, part, noise)?;
            let logits = tape.read(logits)?;
            for ((row, label), (b, t)) in logits.chunks_exact(CLASSES).zip(labels).zip(places) {
                let best = (0..CLASSES).fold(0, |best, class| if row[class] > row[best] { class } else { best });
                see(b, t, best == label as usize);
            }
        }
        Ok(())
    }

    /// By place: the share of the strings that are right there, and right up to there.
    pub fn curves(&self, strings: &Strings) -> Result<[Vec<f64>; 2]> {
        let mut right = vec![vec![false; strings.length]; strings.count];
        self.test(strings, CHUNK, |b, t, is| right[b][t] = is)?;
        let share = |of: &dyn Fn(&[bool]) -> bool, t: usize| {
            right.iter().filter(|string| of(&string[..=t])).count() as f64 / strings.count as f64
        };
        let at = (0..strings.length).map(|t| share(&|string| string.last() == Some(&true), t)).collect();
        let up_to = (0..strings.length).map(|t| share(&|string| string.iter().all(|is| *is), t)).collect();
        Ok([at, up_to])
    }
}
