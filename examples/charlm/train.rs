//! Training and evaluation of one network.

use std::error::Error;
use std::f64::consts::LN_2;
use std::path::Path;
use std::time::Instant;

use indicatif::ProgressBar;
use kuramoto::model::{Placed, Trainer, TrainerOptions};
use kuramoto::{AdamOptions, Context, DType, Tape, Var};

use crate::network::Network;
use crate::run::{self, Point, Record};
use crate::text::Corpus;

/// Windows of a batch of evaluation.
const TOGETHER: usize = 16;

/// What a run needs besides its settings.
pub struct Plan<'a> {
    pub context: &'a Context,
    pub corpus: &'a Corpus,
    /// Steps between two points of the curve, each with a checkpoint.
    pub every: usize,
    /// Windows that a point of the curve evaluates; the last step evaluates all.
    pub windows: usize,
    pub bar: &'a ProgressBar,
}

/// Bits a character, with the standard error over batches.
#[derive(Clone, Copy, Debug)]
pub struct Bits {
    pub mean: f64,
    pub error: f64,
    pub characters: usize,
}

/// The loss of `tokens`, windows of one symbol more than the network sees.
fn loss(
    tape: &mut Tape,
    network: &Network,
    bound: &kuramoto::model::Bound,
    tokens: &[u32],
    length: usize,
) -> kuramoto::Result<Var> {
    let windows = || tokens.chunks_exact(length);
    let seen: Vec<u32> = windows().flat_map(|window| window[..length - 1].to_vec()).collect();
    let next: Vec<u32> = windows().flat_map(|window| window[1..].to_vec()).collect();
    let shape = [windows().len(), length - 1];
    let (seen, next) = (tape.upload(&seen, &shape, DType::U32)?, tape.upload(&next, &shape, DType::U32)?);
    let (seen, next) = (tape.constant(seen), tape.constant(next));
    let logits = network.forward(tape, bound, seen)?;
    tape.cross_entropy(logits, next, 2)
}

/// Bits a character of at most `most` windows of what is held out.
pub fn evaluate(
    plan: &Plan,
    network: &Network,
    placed: &Placed,
    length: usize,
    most: usize,
) -> Result<Bits, Box<dyn Error>> {
    let mut means = Vec::new();
    let mut windows = 0;
    for batch in plan.corpus.windows(length, most).chunks(TOGETHER) {
        let mut tape = Tape::new(plan.context);
        let bound = placed.bind_constant(&mut tape);
        let loss = loss(&mut tape, network, &bound, &batch.concat(), length)?;
        means.push((tape.read(loss)?[0] / LN_2, batch.len() as f64));
        windows += batch.len();
    }
    if windows == 0 {
        return Err(format!("what is held out has no {length} characters in a row").into());
    }
    let mean = means.iter().map(|(bits, weight)| bits * weight).sum::<f64>() / windows as f64;
    let spread: f64 = means.iter().map(|(bits, weight)| weight * (bits - mean).powi(2)).sum::<f64>() / windows as f64;
    let error = (spread / (means.len().max(2) - 1) as f64).sqrt();
    Ok(Bits { mean, error, characters: windows * (length - 1) })
}

/// The learning rate of a step: up over a twentieth of the run, then down along a cosine to a tenth.
fn rate(record: &Record, step: usize) -> f64 {
    let (steps, most) = (record.settings.steps as f64, record.settings.rate);
    let rise = (steps / 20.0).max(1.0);
    let along = ((step as f64 - rise) / (steps - rise).max(1.0)).clamp(0.0, 1.0);
    most * ((step as f64 + 1.0) / rise).min(1.0) * (0.55 + 0.45 * (std::f64::consts::PI * along).cos())
}

/// Trains from where the record stands until so many steps are done, or all; checkpoints go into the folder `out`, the last
/// one at the end.
pub fn train(
    plan: &Plan,
    network: &Network,
    record: &mut Record,
    out: &Path,
    until: usize,
) -> Result<(Trainer, Bits), Box<dyn Error>> {
    let path = run::path(out, record.settings.kind);
    let length = record.settings.context + 1;
    let mut tape = Tape::new(plan.context);
    let adam = AdamOptions::decoupled(record.settings.rate, 0.01).clip(1.0);
    let parameters = network.parameters(record.settings.seed)?;
    let mut trainer = Trainer::new(&mut tape, &parameters, TrainerOptions::new(adam))?;
    let mut since = (0.0, 0);
    if !record.curve.is_empty() {
        let (state, _) = run::load(&path)?;
        trainer.restore(&mut tape, &state)?;
    }
    let last = until.min(record.settings.steps);
    let mut started = Instant::now();
    for step in trainer.steps() as usize..last {
        let Record { settings, .. } = &*record;
        let tokens = plan.corpus.draw(settings.seed, step, settings.batch, length)?;
        trainer.options().adam.lr = rate(record, step);
        let mut tape = Tape::new(plan.context);
        let bound = trainer.bind(&mut tape)?;
        let loss = loss(&mut tape, network, &bound, &tokens, length)?;
        let gradients = tape.backward(loss)?;
        trainer.step(&mut tape, &bound, &gradients, &[])?;
        // Reading waits for the device, which keeps the queue short.
        since = (since.0 + tape.read(loss)?[0] / LN_2, since.1 + 1);
        plan.bar.inc(1);
        plan.bar.set_message(format!("{} {:.2} bits", record.settings.kind.name(), since.0 / f64::from(since.1)));
        let done = step + 1;
        if done % plan.every == 0 || done == last {
            record.seconds += started.elapsed().as_secs_f64();
            let held_out = evaluate(plan, network, &trainer.placed(false)?, length, plan.windows)?.mean;
            record.curve.push(Point { step: done, train: since.0 / f64::from(since.1), held_out });
            let mut tape = Tape::new(plan.context);
            run::save(&path, &trainer.snapshot(&mut tape)?, record)?;
            since = (0.0, 0);
            started = Instant::now();
        }
    }
    let bits = evaluate(plan, network, &trainer.placed(false)?, length, usize::MAX)?;
    Ok((trainer, bits))
}
