//! Training at the fixed point.

use std::error::Error;

use indicatif::{ProgressBar, ProgressStyle};
use kuramoto::model::attractor::{AttractorPuzzle, PuzzleAnswer, Refine};
use kuramoto::model::{Bound, Parameters, Trainer, TrainerOptions};
use kuramoto::solve::{Adjoint, Method, SolveOptions};
use kuramoto::{AdamOptions, Context, Result, Tape, Value, Var};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use serde::Serialize;

use crate::board::Board;
use crate::evaluate::{all, answers};
use crate::order::Order;

/// How a network is trained.
#[derive(Clone, Copy)]
pub struct Plan {
    pub seed: u64,
    pub steps: usize,
    /// Boards of a step.
    pub batch: usize,
    /// The highest learning rate: reached after a tenth of the steps, then falling to a tenth of it.
    pub rate: f64,
    /// Iterations of the solver at most.
    pub most: usize,
    /// How much the steepness of the map at the fixed point counts beside the loss.
    pub penalty: f64,
}

/// What is read now and then.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Moment {
    pub step: usize,
    /// Mean since the last one.
    pub loss: f64,
    /// Mean over the boards since then.
    pub iterations: f64,
    /// The share of unseen boards that are solved, where it was looked at.
    pub solved: Option<f64>,
}

/// A network in training.
pub struct Training<'a> {
    context: &'a Context,
    model: &'a AttractorPuzzle,
    plan: Plan,
    trainer: Trainer,
    pub history: Vec<Moment>,
}

/// One of so many points of the history looks at unseen boards.
const WATCH: usize = 3;

/// The step in the state, whose elements are near 1 in size, that tells how steep the map is.
const STRIDE: f32 = 1e-2;

/// The relative residual at which training stops iterating.
pub const TOLERANCE: f64 = 3e-3;

/// The fixed point as training looks for it, in at most so many iterations, with the gradient `u = v + J^T v` there.
pub fn settle(most: usize, tolerance: f64) -> Refine {
    let options =
        SolveOptions { check_every: 2, patience: 0, ..SolveOptions::new(Method::anderson(4), tolerance, most) };
    Refine::settle(options, Adjoint::neumann(1))
}

/// `loss` and `weight` times how steep the map is at the fixed point.
pub fn penalised(
    tape: &mut Tape,
    bound: &Bound,
    model: &AttractorPuzzle,
    answer: &PuzzleAnswer,
    loss: Var,
    weight: f64,
    seed: u64,
) -> Result<Var> {
    if weight == 0.0 {
        return Ok(loss);
    }
    let penalty = model.jacobian_penalty(tape, bound, answer, STRIDE, seed)?;
    tape.axpy(weight as f32, penalty, loss)
}

/// The learning rate of a step: `rate` after a tenth of them, then falling to a tenth of it.
pub fn pace(rate: f64, step: usize, steps: usize) -> f64 {
    let warm = (steps / 10).max(1);
    let done = step as f64 / steps as f64;
    let falling = 0.55 + 0.45 * (std::f64::consts::PI * done).cos();
    rate * falling * ((step + 1) as f64 / warm as f64).min(1.0)
}

/// Every other puzzle with some blanks filled in, a random number of each: easy boards teach first what hard ones build on.
pub fn ease(boards: &mut [Board], rng: &mut ChaCha8Rng) {
    for board in boards.iter_mut().step_by(2) {
        let share: f64 = rng.random();
        for (cell, digit) in board.puzzle.iter_mut().zip(&board.solution) {
            if rng.random::<f64>() < share {
                *cell = *digit;
            }
        }
    }
}

impl<'a> Training<'a> {
    pub fn new(
        context: &'a Context,
        model: &'a AttractorPuzzle,
        parameters: &Parameters,
        plan: Plan,
    ) -> Result<Training<'a>> {
        let mut tape = Tape::new(context);
        let options = TrainerOptions::new(AdamOptions::decoupled(plan.rate, 0.05).clip(1.0));
        let trainer = Trainer::new(&mut tape, parameters, options)?;
        Ok(Training { context, model, plan, trainer, history: vec![] })
    }

    /// All steps. Now and then it shows how many of `unseen` the network solves; nothing is chosen by that.
    pub fn run(&mut self, boards: &[Board], unseen: &[Board]) -> Result<(), Box<dyn Error>> {
        let Plan { seed, steps, batch, rate, .. } = self.plan;
        let bar = ProgressBar::new(steps as u64);
        bar.set_style(ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len}, {eta} to go")?);
        let mut order = Order::new(seed, boards.len(), true);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let every = steps.div_ceil(30);
        let (mut losses, mut iterations) = (Vec::new(), Vec::new());
        for step in 0..steps {
            self.trainer.options().adam.lr = pace(rate, step, steps);
            let mut chosen = order.batch((step * batch) as u64, batch, boards);
            ease(&mut chosen, &mut rng);
            let (loss, taken) = self.step(&chosen, step)?;
            losses.push(loss);
            iterations.extend(taken);
            if (step + 1) % every == 0 || step + 1 == steps {
                let mut tape = Tape::new(self.context);
                let mut loss = 0.0;
                for value in &losses {
                    loss += tape.backend().read(value)?[0] / losses.len() as f64;
                }
                let mean = iterations.iter().sum::<usize>() as f64 / iterations.len() as f64;
                let watched = self.history.len() % WATCH == WATCH - 1 || step + 1 == steps;
                let solved = if watched { Some(self.solved(unseen)?) } else { None };
                let moment = Moment { step: step + 1, loss, iterations: mean, solved };
                let watched = solved.map(|share| format!(", {:.1} % of unseen boards solved", 100.0 * share));
                let text = format!("loss {loss:.3}, {mean:.1} iterations{}", watched.unwrap_or_default());
                if bar.is_hidden() {
                    println!("step {} of {steps}: {text}", step + 1);
                }
                bar.set_message(text);
                self.history.push(moment);
                (losses, iterations) = (vec![], vec![]);
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// Step `at`: the loss, which nobody has waited for, and the iterations of each board.
    fn step(&mut self, boards: &[Board], at: usize) -> Result<(Value, Vec<usize>)> {
        let mut tape = Tape::new(self.context);
        let bound = self.trainer.bind(&mut tape)?;
        let (puzzles, solutions) = cells(boards);
        let refine = settle(self.plan.most, TOLERANCE);
        let answer = self.model.forward(&mut tape, &bound, &puzzles, &refine)?;
        let loss = self.model.loss(&mut tape, &answer, &solutions)?;
        let Plan { penalty, seed, .. } = self.plan;
        let total = penalised(&mut tape, &bound, self.model, &answer, loss, penalty, seed ^ at as u64)?;
        let gradients = tape.backward(total)?;
        self.trainer.step(&mut tape, &bound, &gradients, &[])?;
        tape.submit()?;
        let samples = answer.refined.equilibrium.map(|found| found.solution().samples().to_vec()).unwrap_or_default();
        Ok((tape.value(loss)?.clone(), samples.iter().map(|sample| sample.iterations).collect()))
    }

    /// The share of `unseen` that the network solves at the fixed point.
    fn solved(&self, unseen: &[Board]) -> Result<f64> {
        let (groups, _) = answers(self.context, self.model, &self.parameters()?, unseen, &all())?;
        let solved = groups.iter().filter(|(right, of)| right == of).count();
        Ok(solved as f64 / unseen.len().max(1) as f64)
    }

    /// The parameters as they are now.
    pub fn parameters(&self) -> Result<Parameters> {
        self.trainer.read(&mut Tape::new(self.context), false)
    }
}

/// Puzzles and solutions, one after the other.
pub fn cells(boards: &[Board]) -> (Vec<u32>, Vec<u32>) {
    let puzzles = boards.iter().flat_map(|board| board.puzzle.iter().copied()).collect();
    (puzzles, boards.iter().flat_map(|board| board.solution.iter().copied()).collect())
}
