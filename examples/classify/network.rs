//! The network: its training on the tape, and its answers and image gradients afterwards.

use std::time::Instant;

use kuramoto::model::akorn::{Classifier, ClassifierConfig, ClassifierMode, Run};
use kuramoto::model::{Placed, Trainer, TrainerOptions};
use kuramoto::ops::adam::AdamOptions;
use kuramoto::{Context, DType, Distribution, Result, Rotation, Stream, Tape, Value, Var};

use crate::attack::Network;
use crate::data::{CLASSES, Pictures, order};

/// What is trained, and how.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Of the first layer; each further one has twice as many.
    pub channels: usize,
    /// Side of each layer's coupling kernel.
    pub kernels: Vec<usize>,
    /// Steps of the oscillators in each layer.
    pub oscillator_steps: usize,
    /// Whether the oscillators have a natural frequency.
    pub frequencies: bool,
    pub steps: usize,
    pub batch: usize,
    /// At the start; it falls to 0 along half a cosine.
    pub learning_rate: f64,
    pub seed: u64,
    /// Steps between two looks at the loss, the only times that training waits for the device.
    pub log_every: usize,
}

/// Pictures that the device sees at once in evaluation. Answers do not depend on it.
const CHUNK: usize = 100;

/// Streams of noise: where the oscillators start.
const TRAINING: u32 = 102;
const EVALUATION: u32 = 103;

/// A trained network.
pub struct Trained {
    context: Context,
    classifier: Classifier,
    placed: Placed,
    run: Run,
    seed: u64,
    /// Elements that learned.
    pub parameters: usize,
    /// Of each layer; empty without.
    pub frequencies: Vec<f64>,
    /// The mean of the last quarter of the losses that were read.
    pub last_loss: f64,
    pub seconds: f64,
}

/// Trains a network on `pictures`. `said` is told the step and its loss, every `log_every` steps.
pub fn train(context: &Context, plan: &Plan, pictures: &Pictures, said: impl Fn(usize, f64)) -> Result<Trained> {
    let started = Instant::now();
    let classifier = Classifier::new(ClassifierConfig {
        colours: 1,
        classes: CLASSES,
        channels: plan.channels,
        kernels: plan.kernels.clone(),
        rotation: if plan.frequencies { Rotation::Global } else { Rotation::None },
        ..ClassifierConfig::default()
    })?;
    let initial = classifier.parameters(plan.seed)?;
    let run = Run::new(plan.oscillator_steps);
    let mut trainer =
        Trainer::new(&mut Tape::new(context), &initial, TrainerOptions::new(AdamOptions::new(plan.learning_rate)))?;
    let batches = Batches { count: pictures.len(), batch: plan.batch.min(pictures.len()), seed: plan.seed };
    let mut losses = Vec::new();
    for step in 0..plan.steps {
        let progress = step as f64 / plan.steps as f64;
        trainer.options().adam.lr = plan.learning_rate * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
        let batch = pictures.select(&batches.get(step));
        let mut tape = Tape::new(context);
        let bound = trainer.bind(&mut tape)?;
        let image = image(&mut tape, &batch)?;
        let image = tape.constant(image);
        let labels = labels(&mut tape, &batch)?;
        let stream = Stream { seed: plan.seed, first_sample: 0, step: step as u32, stream: TRAINING };
        let noise = noise(&mut tape, &classifier, &batch, stream)?;
        let found = classifier.forward(&mut tape, &bound, image, noise, &run, ClassifierMode::Train)?;
        let loss = tape.cross_entropy(found.logits, labels, 1)?;
        let gradients = tape.backward(loss)?;
        trainer.step(&mut tape, &bound, &gradients, &found.statistics)?;
        if (step + 1) % plan.log_every == 0 || step + 1 == plan.steps {
            let loss = tape.read(loss)?[0];
            losses.push(loss);
            said(step + 1, loss);
        } else {
            tape.submit()?;
        }
    }
    let learned = trainer.read(&mut Tape::new(context), false)?;
    let length = |pair: &[f32]| pair.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
    let frequencies = (0..plan.kernels.len())
        .filter(|_| plan.frequencies)
        .filter_map(|layer| Some(length(&learned.get(&format!("layers.{layer}.2.omg.omg_param"))?.values)))
        .collect();
    let last = &losses[losses.len() - losses.len().div_ceil(4)..];
    Ok(Trained {
        context: context.clone(),
        classifier,
        placed: trainer.placed(false)?,
        run,
        seed: plan.seed,
        parameters: learned.learned(),
        frequencies,
        last_loss: last.iter().sum::<f64>() / last.len().max(1) as f64,
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// Every picture once before any comes again; what does not fill a batch waits for the next round.
struct Batches {
    count: usize,
    batch: usize,
    seed: u64,
}

impl Batches {
    fn get(&self, step: usize) -> Vec<usize> {
        let in_round = (self.count / self.batch).max(1);
        // Round 0 of the order is the split into training and test.
        let order = order(self.count, self.seed, (step / in_round) as u32 + 1);
        order[step % in_round * self.batch..][..self.batch].to_vec()
    }
}

fn image(tape: &mut Tape, pictures: &Pictures) -> Result<Value> {
    tape.upload(&pictures.pixels, &[pictures.len(), 1, pictures.side, pictures.side], DType::F32)
}

fn labels(tape: &mut Tape, pictures: &Pictures) -> Result<Var> {
    let labels = tape.upload(&pictures.labels, &[pictures.len()], DType::U32)?;
    Ok(tape.constant(labels))
}

fn noise(tape: &mut Tape, classifier: &Classifier, pictures: &Pictures, stream: Stream) -> Result<Var> {
    let shape = classifier.noise_shape(pictures.len(), pictures.side, pictures.side);
    tape.noise(stream, Distribution::Gaussian, &shape, DType::F32)
}

impl Trained {
    /// Runs `ask` on chunks of the pictures and joins what it returns.
    fn by_chunks(
        &self,
        pictures: &Pictures,
        draw: u32,
        ask: impl Fn(&Trained, &mut Tape, &Pictures, Stream) -> Result<Vec<f64>>,
    ) -> Result<Vec<f64>> {
        let mut answers = Vec::new();
        for first in (0..pictures.len()).step_by(CHUNK) {
            let indices: Vec<usize> = (first..pictures.len().min(first + CHUNK)).collect();
            let stream = Stream { seed: self.seed, first_sample: first as u32, step: draw, stream: EVALUATION };
            answers.extend(ask(self, &mut Tape::new(&self.context), &pictures.select(&indices), stream)?);
        }
        Ok(answers)
    }

    fn logits_of(&self, tape: &mut Tape, image: Var, pictures: &Pictures, stream: Stream) -> Result<Var> {
        let bound = self.placed.bind_constant(tape);
        let noise = noise(tape, &self.classifier, pictures, stream)?;
        Ok(self.classifier.forward(tape, &bound, image, noise, &self.run, ClassifierMode::Evaluate)?.logits)
    }
}

impl Network for Trained {
    type Error = kuramoto::Error;

    fn logits(&mut self, pictures: &Pictures, draw: u32) -> Result<Vec<f64>> {
        self.by_chunks(pictures, draw, |network, tape, chunk, stream| {
            let image = image(tape, chunk)?;
            let image = tape.constant(image);
            let logits = network.logits_of(tape, image, chunk, stream)?;
            tape.read(logits)
        })
    }

    /// The image is the only leaf: no gradient of a parameter is computed.
    fn gradient(&mut self, pictures: &Pictures, draw: u32) -> Result<Vec<f64>> {
        self.by_chunks(pictures, draw, |network, tape, chunk, stream| {
            let image = image(tape, chunk)?;
            let image = tape.leaf(image);
            let logits = network.logits_of(tape, image, chunk, stream)?;
            let labels = labels(tape, chunk)?;
            let loss = tape.cross_entropy(logits, labels, 1)?;
            tape.backward(loss)?.read(tape, image)
        })
    }
}
