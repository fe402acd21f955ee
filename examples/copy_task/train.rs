//! A recurrent network: its training and its judgement at several delays.

use std::time::Instant;

use kuramoto::model::equivariant::{EquivariantRnn, RecurrentConfig, Symmetry};
use kuramoto::model::{Bound, Trainer, TrainerOptions};
use kuramoto::ops::adam::AdamOptions;
use kuramoto::{Context, DType, Result, Tape, Var};

use crate::report::Run;
use crate::task::{Batch, Task, one_hot};

/// What is trained, and how.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub task: Task,
    pub symmetry: Symmetry,
    pub neurons: usize,
    pub gated: bool,
    pub sigma_w: f32,
    pub steps: usize,
    pub batch: usize,
    pub learning_rate: f64,
    pub seed: u64,
}

/// Steps between two looks at the loss, the only times that training waits for the device.
const LOOK: usize = 20;

/// The norm of all gradients together is clipped to this: without, one bad batch undoes many good ones.
const CLIP: f64 = 1.0;

/// Sequences that a network is judged by at each delay, and the step they are drawn for: training has none as late.
const JUDGED: usize = 256;
const JUDGING: u32 = u32::MAX;

/// Trains, then repeats unseen sequences at delays up to twice the longest one trained. `said` is called after every step.
pub fn train(context: &Context, plan: &Plan, name: &str, said: &mut dyn FnMut(&str)) -> Result<Run> {
    let started = Instant::now();
    let task = plan.task;
    let network = EquivariantRnn::new(RecurrentConfig {
        symmetry: plan.symmetry,
        neurons: plan.neurons,
        inputs: task.inputs(),
        outputs: task.alphabet,
        gated: plan.gated,
        sigma_w: plan.sigma_w,
    })?;
    let initial = network.parameters(plan.seed)?;
    let options = TrainerOptions::new(AdamOptions::new(plan.learning_rate).clip(CLIP));
    let mut trainer = Trainer::new(&mut Tape::new(context), &initial, options)?;
    let mut losses = Vec::new();
    for step in 0..plan.steps {
        let delay = task.delay(plan.seed, step as u32);
        let batch = task.batch(plan.batch, delay, plan.seed, step as u32);
        let mut tape = Tape::new(context);
        let bound = trainer.bind(&mut tape)?;
        let logits = repeat(&mut tape, &network, &bound, &task, &batch)?;
        let mut loss = None;
        for (logits, symbols) in logits.into_iter().zip(&batch.symbols) {
            let labels = tape.upload(symbols, &[symbols.len()], DType::U32)?;
            let labels = tape.constant(labels);
            let one = tape.cross_entropy(logits, labels, 1)?;
            loss = Some(match loss {
                Some(sum) => tape.add(sum, one)?,
                None => one,
            });
        }
        let Some(loss) = loss else { continue };
        let loss = tape.scale(1.0 / task.tokens as f32, loss)?;
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
    let mut delays: Vec<usize> = (0..=8).map(|part| (part * task.t_max / 4).max(1)).collect();
    delays.dedup();
    let mut judged = Vec::with_capacity(delays.len());
    for delay in delays {
        let mut tape = Tape::new(context);
        let bound = trainer.placed(false)?.bind_constant(&mut tape);
        let batch = task.batch(JUDGED, delay, plan.seed, JUDGING);
        let logits = repeat(&mut tape, &network, &bound, &task, &batch)?;
        let mut right = 0;
        for (logits, symbols) in logits.into_iter().zip(&batch.symbols) {
            let rows = tape.read(logits)?;
            right +=
                rows.chunks_exact(task.alphabet).zip(symbols).filter(|(row, symbol)| answer(row) == **symbol).count();
        }
        judged.push((delay as f64, right as f64 / (JUDGED * task.tokens) as f64));
    }
    Ok(Run {
        network: name.to_owned(),
        seed: plan.seed,
        sigma_w: plan.sigma_w,
        width: network.features(),
        recurrent: match plan.symmetry {
            Symmetry::U1 => 2 * plan.neurons * plan.neurons,
            Symmetry::Orthogonal { .. } => plan.neurons * plan.neurons,
            Symmetry::Generic { .. } => network.features() * network.features(),
        },
        parameters: initial.learned(),
        losses,
        delays: judged,
        steps: plan.steps,
        seconds,
    })
}

fn answer(row: &[f64]) -> u32 {
    row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(symbol, _)| symbol as u32)
}

/// The logits of the steps at which the symbols are due. Silence drives nothing: a state that commutes with a phase is then
/// free to keep it.
fn repeat(tape: &mut Tape, network: &EquivariantRnn, bound: &Bound, task: &Task, batch: &Batch) -> Result<Vec<Var>> {
    let count = batch.symbols.first().map_or(0, Vec::len);
    let drive = |tape: &mut Tape, symbols: &[u32]| -> Result<Var> {
        let data = one_hot(symbols.iter().copied(), task.inputs());
        let x = tape.upload(&data, &[symbols.len(), task.inputs()], DType::F32)?;
        let x = tape.constant(x);
        network.drive(tape, bound, x)
    };
    let mut h = network.initial(tape, count)?;
    for symbols in &batch.symbols {
        let u = drive(tape, symbols)?;
        h = network.step(tape, bound, h, u)?;
    }
    let silence = network.initial(tape, count)?;
    for _ in 0..batch.delay {
        h = network.step(tape, bound, h, silence)?;
    }
    let sign = drive(tape, &vec![task.sign(); count])?;
    let mut logits = Vec::with_capacity(task.tokens);
    for token in 0..task.tokens {
        h = network.step(tape, bound, h, if token == 0 { sign } else { silence })?;
        logits.push(network.readout(tape, bound, h)?);
    }
    Ok(logits)
}
