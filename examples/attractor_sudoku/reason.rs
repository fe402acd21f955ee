//! The reasoning model on the same boards: each is seen several times in a row, with a loss and an update every time, and the
//! states that one time ended in are where the next begins.

use std::error::Error;

use indicatif::{ProgressBar, ProgressStyle};
use kuramoto::model::attractor::{AttractorReasoner, AttractorReasonerConfig, Carried, ReasonerAnswer, Refine};
use kuramoto::model::{Parameters, Trainer, TrainerOptions};
use kuramoto::solve::Status;
use kuramoto::{AdamOptions, Context, Result, Tape, Var};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use serde::Serialize;

use crate::board::Board;
use crate::evaluate::right;
use crate::order::Order;
use crate::statistics::{Share, wilson};
use crate::train::{Plan, cells, ease, pace};

/// What a board's answer is worth after so many times.
#[derive(Clone, Debug, Serialize)]
pub struct Time {
    /// Counted from 1.
    pub time: usize,
    /// Boards without a wrong blank.
    pub boards: Share,
    /// Boards of which the network says rightly whether they are solved.
    pub told: Share,
    /// Iterations of the solver, the mean over boards.
    pub iterations: f64,
    /// Boards whose fixed point was reached within the iterations.
    pub converged: usize,
}

/// Trains on `boards`, `times` updates for each batch; the parameters in the end and the loss of each batch's last update.
pub fn train(
    context: &Context,
    model: &AttractorReasoner,
    parameters: &Parameters,
    plan: &Plan,
    times: usize,
    boards: &[Board],
) -> Result<(Parameters, Vec<f64>), Box<dyn Error>> {
    let Plan { seed, steps, batch, rate, .. } = *plan;
    let options = TrainerOptions::new(AdamOptions::decoupled(rate, 0.05).clip(1.0));
    let mut trainer = Trainer::new(&mut Tape::new(context), parameters, options)?;
    let bar = ProgressBar::new(steps as u64);
    bar.set_style(ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len}, {eta} to go")?);
    let mut order = Order::new(seed, boards.len(), true);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut history = Vec::new();
    for step in 0..steps {
        trainer.options().adam.lr = pace(rate, step, steps);
        let mut chosen = order.batch((step * batch) as u64, batch, boards);
        ease(&mut chosen, &mut rng);
        let (puzzles, solutions) = cells(&chosen);
        let mut carried: Option<Carried> = None;
        let mut last = 0.0;
        for _ in 0..times {
            let mut tape = Tape::new(context);
            let bound = trainer.bind(&mut tape)?;
            let answer = model.forward(&mut tape, &bound, &puzzles, carried.as_ref(), &refinement())?;
            let solved: Vec<bool> = solved(&mut tape, model, &answer, &chosen)?;
            let loss = model.loss(&mut tape, &answer, &solutions)?;
            let halt = model.halt_loss(&mut tape, &answer, &solved)?;
            let total: Var = tape.axpy(0.5, halt, loss)?;
            let gradients = tape.backward(total)?;
            trainer.step(&mut tape, &bound, &gradients, &[])?;
            last = tape.read(loss)?[0];
            carried = Some(answer.carry(&tape)?);
        }
        history.push(last);
        if (step + 1) % steps.div_ceil(30) == 0 || step + 1 == steps {
            let text = format!("loss {last:.3} the last of {times} times");
            if bar.is_hidden() {
                println!("step {} of {steps}: {text}", step + 1);
            }
            bar.set_message(text);
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok((trainer.read(&mut Tape::new(context), false)?, history))
}

/// The refinement as published.
fn refinement() -> Refine {
    AttractorReasonerConfig::published_refinement()
}

/// What `boards` come to when they are seen `times` times.
pub fn evaluate(
    context: &Context,
    model: &AttractorReasoner,
    parameters: &Parameters,
    boards: &[Board],
    times: usize,
) -> Result<Vec<Time>> {
    let placed = parameters.place(&mut Tape::new(context))?;
    let mut carried: Option<Carried> = None;
    let mut rows = Vec::new();
    for time in 1..=times {
        let mut tape = Tape::new(context);
        let bound = placed.bind_constant(&mut tape);
        let answer = model.forward(&mut tape, &bound, &cells(boards).0, carried.as_ref(), &refinement())?;
        let solved = solved(&mut tape, model, &answer, boards)?;
        let halts = tape.read(answer.halt)?;
        let told = solved.iter().zip(&halts).filter(|(solved, halt)| **solved == (**halt > 0.0)).count();
        let samples = answer.equilibrium.as_ref().map(|found| found.solution().samples().to_vec()).unwrap_or_default();
        rows.push(Time {
            time,
            boards: wilson(solved.iter().filter(|solved| **solved).count(), boards.len()),
            told: wilson(told, boards.len()),
            iterations: samples.iter().map(|s| s.iterations as f64).sum::<f64>() / samples.len().max(1) as f64,
            converged: samples.iter().filter(|sample| sample.status == Status::Converged).count(),
        });
        carried = Some(answer.carry(&tape)?);
    }
    Ok(rows)
}

/// Whether each board's blanks are all right.
fn solved(tape: &mut Tape, model: &AttractorReasoner, answer: &ReasonerAnswer, boards: &[Board]) -> Result<Vec<bool>> {
    let (symbols, cells) = (model.config().symbols, model.config().cells);
    let logits = tape.read(answer.logits)?;
    let of = |(board, logits): (&Board, &[f64])| {
        let (right, of) = right(board, logits, symbols);
        right == of
    };
    Ok(boards.iter().zip(logits.chunks(symbols * cells)).map(of).collect())
}

/// The table.
pub fn report(rows: &[Time]) {
    println!("  time   boards solved   rightly told   iterations   at the fixed point");
    for row in rows {
        println!(
            "  {:>4}   {:>11.1} %   {:>10.1} %   {:>10.1}   {:>18}",
            row.time,
            100.0 * row.boards.share,
            100.0 * row.told.share,
            row.iterations,
            row.converged
        );
    }
}
