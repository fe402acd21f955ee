//! Many random starts, one answer: the vote by energy, and the vote by confidence.
//!
//! Draw `k` of puzzle `b` is sample `b K + k` of the noise, whatever batch it is computed in; kernels do not look at the
//! batch. So the outcome does not depend on how the draws are cut into batches.

use crate::error::{Error, ErrorKind, Result};

/// What is compared between draws.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ballot {
    /// The smallest energy wins.
    Energy(Statistic),
    /// The largest mean probability of the likeliest digit wins (C-voting, arXiv 2604.13521).
    Confidence,
}

/// Which energies count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Statistic {
    /// The last published one, of the state before the last step.
    Last,
    /// The sum over all steps.
    Sum,
}

/// How a vote is held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VoteOptions {
    /// Random starts per puzzle, `K`.
    pub draws: usize,
    /// Samples computed at a time.
    pub batch: usize,
    /// Steps of each draw.
    pub steps: usize,
    /// What is compared.
    pub ballot: Ballot,
    /// Of the noise.
    pub seed: u64,
}

/// One draw, as a batch returned it.
#[derive(Clone, PartialEq, Debug)]
pub struct Draw {
    /// What the ballot compares; smaller is better, so a confidence is negated.
    pub score: f64,
    /// The answer.
    pub answer: Vec<u32>,
}

/// The answer of one puzzle.
#[derive(Clone, PartialEq, Debug)]
pub struct Elected {
    /// Which draw won: the first among those with the best score.
    pub draw: usize,
    /// The winning answer.
    pub answer: Vec<u32>,
    /// The scores of all draws, in order.
    pub scores: Vec<f64>,
}

impl Statistic {
    /// The statistic of the energies of one sample, in the order of the steps.
    pub fn of(self, energies: &[f64]) -> f64 {
        match self {
            Statistic::Last => energies.last().copied().unwrap_or(0.0),
            Statistic::Sum => energies.iter().sum(),
        }
    }
}

/// The mean over cells of the largest softmax probability. `logits` has `classes` numbers a cell, `stride` apart; cells
/// are next to each other.
pub fn confidence(logits: &[f64], classes: usize) -> f64 {
    let cells = logits.len() / classes.max(1);
    let of = |cell: usize| {
        let column = || (0..classes).map(|class| logits[class * cells + cell]);
        let largest = column().fold(f64::NEG_INFINITY, f64::max);
        1.0 / column().map(|logit| (logit - largest).exp()).sum::<f64>()
    };
    (0..cells).map(of).sum::<f64>() / cells.max(1) as f64
}

/// The likeliest digit of each blank of `board` (0), the smaller among equals; givens as they are. `logits` has `digits`
/// numbers a cell, `board.len()` apart; digit `d` is at `d - 1`. An element that is missing loses to any other.
pub fn fill(logits: &[f64], digits: usize, board: &[u32]) -> Vec<u32> {
    let logit =
        |digit: usize, cell: usize| logits.get(digit * board.len() + cell).copied().unwrap_or(f64::NEG_INFINITY);
    let likeliest = |cell: usize| {
        let better = |best: usize, digit: usize| if logit(digit, cell) > logit(best, cell) { digit } else { best };
        (0..digits).fold(0, better) as u32 + 1
    };
    board.iter().enumerate().map(|(cell, given)| if *given == 0 { likeliest(cell) } else { *given }).collect()
}

/// Holds a vote over `puzzles` puzzles: `compute(samples)` returns one [`Draw`] per sample of that range, where sample
/// `b K + k` is draw `k` of puzzle `b`.
///
/// # Errors
/// `Param` without draws or for a batch of none, `NonFinite` for a score that is NaN; whatever `compute` returns.
pub fn elect(
    puzzles: usize,
    options: &VoteOptions,
    mut compute: impl FnMut(std::ops::Range<usize>) -> Result<Vec<Draw>>,
) -> Result<Vec<Elected>> {
    if options.draws == 0 || options.batch == 0 || u32::try_from(puzzles.saturating_mul(options.draws)).is_err() {
        let got = format!("{} draws in batches of {} for {puzzles} puzzles", options.draws, options.batch);
        return Err(Error::argument(ErrorKind::Param, "vote", "options", got, "some of each, below 2^32 in all"));
    }
    let mut elected: Vec<Elected> =
        (0..puzzles).map(|_| Elected { draw: 0, answer: vec![], scores: Vec::with_capacity(options.draws) }).collect();
    let total = puzzles * options.draws;
    for start in (0..total).step_by(options.batch) {
        let end = (start + options.batch).min(total);
        let draws = compute(start..end)?;
        if draws.len() != end - start {
            return Err(Error::argument(ErrorKind::Shape, "vote", "draws", draws.len(), end - start));
        }
        for (sample, draw) in (start..end).zip(draws) {
            if draw.score.is_nan() {
                let message = format!("vote: the score of draw {sample} is NaN");
                return Err(Error::new(ErrorKind::NonFinite, message));
            }
            let puzzle = &mut elected[sample / options.draws];
            let best = puzzle.scores.get(puzzle.draw).copied().unwrap_or(f64::INFINITY);
            if draw.score < best || puzzle.scores.is_empty() {
                puzzle.draw = puzzle.scores.len();
                puzzle.answer = draw.answer;
            }
            puzzle.scores.push(draw.score);
        }
    }
    Ok(elected)
}
