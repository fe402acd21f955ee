//! Training without labels: two views of one image should have embeddings that lie closer to each other than to those of
//! any other image (SimCLR, arXiv 2002.05709).

use kuramoto::model::akorn::{ObjectNet, Run};
use kuramoto::model::{Trainer, TrainerOptions};
use kuramoto::{AdamOptions, Context, DType, Distribution, Result, Stream, Tape, Value, Var};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use crate::scene::Scene;

/// Embeddings are compared by their cosine over this temperature, the published one.
const TEMPERATURE: f32 = 0.1;

/// Stands for minus infinity where an embedding meets itself.
const NEVER: f32 = -1e8;

/// The oscillators' random starts in training; evaluation has a stream of its own.
const STARTS: u32 = 1;

/// How a network is trained.
#[derive(Clone, Copy)]
pub struct Plan {
    /// Of the parameters, the scenes and the starts.
    pub seed: u64,
    /// Images of a step; each is seen twice.
    pub batch: usize,
    /// Learning rate of Adam.
    pub rate: f64,
    /// Steps of the oscillators.
    pub rounds: usize,
    /// The loss is read after every so many steps. Nothing waits for the device in between.
    pub log_every: usize,
}

/// A network in training.
pub struct Training<'a> {
    context: &'a Context,
    net: &'a ObjectNet,
    plan: Plan,
    pub trainer: Trainer,
    rng: ChaCha8Rng,
    mask: Value,
    labels: Value,
    /// The sum of the losses that nobody has read.
    sum: Value,
    unread: usize,
}

impl<'a> Training<'a> {
    /// A network with initial parameters.
    pub fn new(context: &'a Context, net: &'a ObjectNet, plan: Plan) -> Result<Training<'a>> {
        let mut tape = Tape::new(context);
        let options = TrainerOptions::new(AdamOptions::new(plan.rate));
        let trainer = Trainer::new(&mut tape, &net.parameters(plan.seed)?, options)?;
        let views = 2 * plan.batch;
        let mask: Vec<f32> = (0..views * views).map(|at| if at % (views + 1) == 0 { NEVER } else { 0.0 }).collect();
        // View `i` of the first half and view `i` of the second show the same image.
        let labels: Vec<u32> = (0..views).map(|view| ((view + plan.batch) % views) as u32).collect();
        Ok(Training {
            context,
            net,
            plan,
            trainer,
            rng: ChaCha8Rng::seed_from_u64(plan.seed),
            mask: tape.upload(&mask, &[views, views], DType::F32)?,
            labels: tape.upload(&labels, &[views], DType::U32)?,
            sum: tape.upload(&[0.0f32], &[1], DType::F32)?,
            unread: 0,
        })
    }

    /// One step on scenes that were never seen before. Returns the mean loss since the last one that it returned, every
    /// `log_every` steps.
    pub fn step(&mut self) -> Result<Option<f64>> {
        let side = self.net.config().image;
        let (mut views, mut others) = (Vec::new(), Vec::new());
        for _ in 0..self.plan.batch {
            let scene = Scene::draw(&mut self.rng, side);
            views.extend(scene.view(&mut self.rng));
            others.extend(scene.view(&mut self.rng));
        }
        views.extend(others);

        let mut tape = Tape::new(self.context);
        let count = 2 * self.plan.batch;
        let images = tape.upload(&views, &[count, 3, side, side], DType::F32)?;
        let images = tape.constant(images);
        let step = self.trainer.steps();
        let stream = Stream { seed: self.plan.seed, first_sample: 0, step, stream: STARTS };
        let starts = tape.noise(stream, Distribution::Gaussian, &self.net.noise_shape(count), DType::F32)?;

        let bound = self.trainer.bind(&mut tape)?;
        let objects = self.net.forward(&mut tape, &bound, images, starts, &Run::new(self.plan.rounds))?;
        let loss = self.contrast(&mut tape, objects.embedding)?;
        let gradients = tape.backward(loss)?;
        self.trainer.step(&mut tape, &bound, &gradients, &[])?;
        self.log(tape, loss)
    }

    /// The mean over all views of `-ln` of the share that the other view of the same image has in the softmax of the
    /// cosines with all other views: embeddings `[views, channels]` to a loss `[1]`.
    fn contrast(&self, tape: &mut Tape, embedding: Var) -> Result<Var> {
        let channels = self.net.config().channels;
        let unit = tape.sphere_normalize(embedding, 1, channels)?;
        let cosines = tape.linear(unit, unit, None, 1)?;
        let logits = tape.scale(1.0 / TEMPERATURE, cosines)?;
        let (mask, labels) = (tape.constant(self.mask.clone()), tape.constant(self.labels.clone()));
        let logits = tape.add(logits, mask)?;
        tape.cross_entropy(logits, labels, 1)
    }

    fn log(&mut self, mut tape: Tape, loss: Var) -> Result<Option<f64>> {
        let sum = tape.constant(self.sum.clone());
        let sum = tape.add(sum, loss)?;
        self.sum = tape.value(sum)?.clone();
        self.unread += 1;
        if self.unread < self.plan.log_every {
            tape.submit()?;
            return Ok(None);
        }
        let mean = tape.read(sum)?[0] / self.unread as f64;
        self.sum = tape.upload(&[0.0f32], &[1], DType::F32)?;
        self.unread = 0;
        Ok(Some(mean))
    }
}
