//! A classifier of many layers: its training and its judgement.

use std::time::Instant;

use kuramoto::model::equivariant::{DeepConfig, EquivariantNet, Symmetry, order};
use kuramoto::model::{Trainer, TrainerOptions};
use kuramoto::ops::adam::AdamOptions;
use kuramoto::{Context, DType, Result, Tape, Var};

use crate::data::{CLASSES, Pictures, Split, order as shuffled};
use crate::report::Run;

/// What is trained, and how.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub symmetry: Symmetry,
    /// Channels of a layer.
    pub features: usize,
    pub layers: usize,
    pub sigma_w: f64,
    pub steps: usize,
    pub batch: usize,
    pub learning_rate: f64,
    pub seed: u64,
}

/// Steps between two looks at the loss, the only times that training waits for the device.
const LOOK: usize = 10;

/// Trains on `split.train` and judges on `split.test`. `said` is called after every step.
pub fn train(context: &Context, plan: &Plan, name: &str, split: &Split, said: &mut dyn FnMut(&str)) -> Result<Run> {
    let started = Instant::now();
    let config = DeepConfig {
        symmetry: plan.symmetry,
        neurons: plan.features / plan.symmetry.components(),
        layers: plan.layers,
        sigma_w: plan.sigma_w as f32,
    };
    let pixels = split.train.side * split.train.side;
    let network = EquivariantNet::new(pixels, CLASSES, config)?;
    let options = TrainerOptions::new(AdamOptions::new(plan.learning_rate));
    let initial = network.parameters(plan.seed)?;
    let mut trainer = Trainer::new(&mut Tape::new(context), &initial, options)?;
    let batch = plan.batch.min(split.train.len());
    let a_round = split.train.len() / batch;
    let mut losses = Vec::new();
    for step in 0..plan.steps {
        let order = shuffled(split.train.len(), plan.seed, 1 + (step / a_round) as u32);
        let chosen = split.train.select(&order[step % a_round * batch..][..batch]);
        let mut tape = Tape::new(context);
        let bound = trainer.bind(&mut tape)?;
        let (x, labels) = (images(&mut tape, &chosen)?, labels(&mut tape, &chosen)?);
        let (logits, _) = network.forward(&mut tape, &bound, x)?;
        let loss = tape.cross_entropy(logits, labels, 1)?;
        let gradients = tape.backward(loss)?;
        trainer.step(&mut tape, &bound, &gradients, &[])?;
        if step % LOOK == 0 || step + 1 == plan.steps {
            losses.push((step as f64, tape.read(loss)?[0]));
        } else {
            tape.submit()?;
        }
        said(&losses.last().map_or(String::new(), |(_, loss)| format!("loss {loss:.3}")));
    }
    let seconds = started.elapsed().as_secs_f64();
    let mut tape = Tape::new(context);
    let bound = trainer.placed(false)?.bind_constant(&mut tape);
    let x = images(&mut tape, &split.test)?;
    let (logits, propagated) = network.forward(&mut tape, &bound, x)?;
    let last = tape.read(propagated.state)?;
    let right = answers(&tape.read(logits)?).zip(&split.test.labels).filter(|(got, label)| got == *label).count();
    Ok(Run {
        network: name.to_owned(),
        sigma_w: plan.sigma_w,
        seed: plan.seed,
        layers: plan.layers,
        parameters: initial.learned(),
        accuracy: right as f64 / split.test.len().max(1) as f64,
        norm: order(&last, plan.symmetry.components())?.norm,
        losses,
        steps: plan.steps,
        seconds,
    })
}

/// The class of the largest logit of each row.
fn answers(logits: &[f64]) -> impl Iterator<Item = u32> + '_ {
    logits.chunks_exact(CLASSES).map(|row| {
        let largest = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
        largest.map_or(0, |(class, _)| class as u32)
    })
}

fn images(tape: &mut Tape, pictures: &Pictures) -> Result<Var> {
    let area = pictures.side * pictures.side;
    let value = tape.upload(&pictures.pixels, &[pictures.len(), area], DType::F32)?;
    Ok(tape.constant(value))
}

fn labels(tape: &mut Tape, pictures: &Pictures) -> Result<Var> {
    let value = tape.upload(&pictures.labels, &[pictures.len()], DType::U32)?;
    Ok(tape.constant(value))
}
