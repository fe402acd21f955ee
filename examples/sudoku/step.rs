//! One training step, as `train` makes it and `profile` times it.

use kuramoto::model::Trainer;
use kuramoto::{Result, Stream, Tape, Var};

use super::board::Board;
use super::network::{Answers, Network, TRAINING};
use super::settings::Settings;

/// Records forward and backward pass and the optimiser's step on `boards`; returns the answers and the loss.
///
/// # Errors
/// Whatever network, tape and trainer return.
pub fn record(
    tape: &mut Tape,
    network: &Network,
    settings: &Settings,
    trainer: &mut Trainer,
    boards: &[Board],
) -> Result<(Answers, Var)> {
    let all = |get: fn(&Board) -> &Vec<u32>| boards.iter().flat_map(get).copied().collect::<Vec<u32>>();
    let (puzzles, solutions) = (all(|board| &board.puzzle), all(|board| &board.solution));
    let bound = trainer.bind(tape)?;
    let stream = Stream { seed: settings.seed, first_sample: 0, step: trainer.steps(), stream: TRAINING };
    let answers = network.forward(tape, &bound, &puzzles, stream, &settings.run(trainer.steps()))?;
    let loss = network.loss(tape, &answers, &solutions)?;
    let gradients = tape.backward(loss)?;
    trainer.step(tape, &bound, &gradients, &[])?;
    Ok((answers, loss))
}
