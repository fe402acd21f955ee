//! The vote over random starts: its outcome does not depend on how draws are cut into batches, and it compares what it
//! says it compares.
#![cfg(feature = "gpu")]

mod common;

use common::{device, error_of};
use kuramoto::model::akorn::{Run, Sudoku, SudokuConfig};
use kuramoto::model::vote::{Ballot, Draw, Elected, Statistic, VoteOptions, confidence, elect};
use kuramoto::{DType, Distribution, ErrorKind, Result, Stream, Tape};

const DRAWS: usize = 5;
const STEPS: usize = 3;
const BALLOTS: [Ballot; 3] = [Ballot::Energy(Statistic::Last), Ballot::Energy(Statistic::Sum), Ballot::Confidence];

fn options(ballot: Ballot, batch: usize) -> VoteOptions {
    VoteOptions { draws: DRAWS, batch, steps: STEPS, ballot, seed: 7 }
}

fn network() -> Result<Sudoku> {
    Sudoku::new(SudokuConfig { side: 4, channels: 16, heads: 2, ..SudokuConfig::default() })
}

/// Three boards with a third of their cells given.
fn boards() -> Vec<u32> {
    (0..48).map(|i| if i % 3 == 0 { i * 5 % 4 + 1 } else { 0 }).collect()
}

fn hold(ballot: Ballot, batch: usize) -> Result<Vec<Elected>> {
    let network = network()?;
    let tape = &mut Tape::new(&device());
    let placed = network.parameters(1)?.place(tape)?;
    network.vote(tape, &placed, &boards(), &options(ballot, batch))
}

fn first_best(scores: &[f64]) -> usize {
    let best = scores.iter().copied().fold(f64::INFINITY, f64::min);
    scores.iter().position(|score| *score == best).unwrap_or(usize::MAX)
}

#[test]
fn a_vote_has_the_same_bits_however_its_draws_are_cut() -> Result<()> {
    for ballot in BALLOTS {
        let all = hold(ballot, 3 * DRAWS)?;
        for elected in &all {
            assert_eq!((elected.scores.len(), elected.draw), (DRAWS, first_best(&elected.scores)), "{ballot:?}");
            assert!(elected.scores.iter().any(|s| *s != elected.scores[0]), "{ballot:?}: all draws are equal");
        }
        // Batches that end within a puzzle, and the last one shorter. Equal numbers, to the bit: none is zero.
        for batch in [1, 3, 7] {
            assert_eq!(hold(ballot, batch)?, all, "{ballot:?} in batches of {batch}");
        }
    }
    Ok(())
}

#[test]
fn scores_are_those_of_one_pass_over_the_same_noise() -> Result<()> {
    let network = network()?;
    let tape = &mut Tape::new(&device());
    let bound = network.parameters(1)?.place(tape)?.bind_constant(tape);
    let repeated: Vec<u32> = boards().chunks(16).flat_map(|board| board.repeat(DRAWS)).collect();
    let stream = Stream { seed: 7, first_sample: 0, step: 0, stream: 0 };
    let noise = tape.noise(stream, Distribution::Gaussian, &network.noise_shape(3 * DRAWS), DType::F32)?;
    let solved = network.forward(tape, &bound, &repeated, noise, &Run::new(STEPS))?;
    let energies = solved.trajectory.energies.iter().map(|e| tape.read(*e)).collect::<Result<Vec<_>>>()?;
    let logits = tape.read(solved.logits)?;
    assert_eq!(energies.len(), STEPS);
    for (b, board) in boards().chunks(16).enumerate() {
        for ballot in BALLOTS {
            let elected = &hold(ballot, 4)?[b];
            for (k, score) in elected.scores.iter().enumerate() {
                let steps: Vec<f64> = energies.iter().map(|e| e[b * DRAWS + k]).collect();
                match ballot {
                    // The very number that the last step emitted.
                    Ballot::Energy(Statistic::Last) => assert_eq!(*score, Statistic::Last.of(&steps)),
                    // A sum of three in f32: two roundings of at most the sum of magnitudes.
                    Ballot::Energy(Statistic::Sum) => {
                        let size: f64 = steps.iter().map(|e| e.abs()).sum();
                        assert!((score - Statistic::Sum.of(&steps)).abs() <= 2.4e-7 * size, "{score} of {steps:?}");
                        assert!((score - steps[2]).abs() > 1e-3 * size, "the sum is the last; this proves nothing");
                    }
                    Ballot::Confidence => assert_eq!(*score, -confidence(&logits[(b * DRAWS + k) * 64..][..64], 4)),
                }
            }
            // The winner's likeliest digits where nothing was given.
            let winner = &logits[(b * DRAWS + elected.draw) * 64..][..64];
            for (cell, (given, answer)) in board.iter().zip(&elected.answer).enumerate() {
                let scores: Vec<f64> = (0..4).map(|digit| -winner[digit * 16 + cell]).collect();
                let wanted = if *given == 0 { first_best(&scores) as u32 + 1 } else { *given };
                assert_eq!(*answer, wanted, "board {b}, cell {cell}, {ballot:?}");
            }
        }
    }
    Ok(())
}

#[test]
fn the_first_of_equal_draws_wins_wherever_batches_end() -> Result<()> {
    let worst = f64::INFINITY;
    // Two puzzles of five draws each.
    let scores =
        [[2.0, -1.0, 0.0, -1.0, -1.0], [worst; 5], [3.0; 5], [5.0, 4.0, 3.0, 2.0, 1.0], [0.0, -0.0, 1.0, 0.0, 2.0]];
    for (at, wanted) in [([0, 1], [1, 0]), ([2, 0], [0, 1]), ([3, 4], [4, 0])] {
        for batch in 1..12 {
            let compute = |samples: std::ops::Range<usize>| {
                let draw =
                    |sample: usize| Draw { score: scores[at[sample / 5]][sample % 5], answer: vec![sample as u32] };
                Ok(samples.map(draw).collect())
            };
            let elected = elect(2, &options(BALLOTS[0], batch), compute)?;
            for puzzle in 0..2 {
                assert_eq!(elected[puzzle].draw, wanted[puzzle], "{:?}", scores[at[puzzle]]);
                assert_eq!(elected[puzzle].answer, [(5 * puzzle + wanted[puzzle]) as u32]);
                assert_eq!(elected[puzzle].scores, scores[at[puzzle]]);
            }
        }
    }
    let nan = |samples: std::ops::Range<usize>| {
        Ok(samples.map(|s| Draw { score: if s == 3 { f64::NAN } else { 0.0 }, answer: vec![] }).collect())
    };
    let error = error_of(elect(1, &options(BALLOTS[0], 2), nan), "NaN");
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::NonFinite, "vote: the score of draw 3 is NaN"));
    Ok(())
}

#[test]
fn statistics_and_confidence_of_numbers_known_beforehand() {
    assert_eq!((Statistic::Last.of(&[1.0, 2.0, -4.0]), Statistic::Sum.of(&[1.0, 2.0, -4.0])), (-4.0, -1.0));
    assert_eq!((Statistic::Last.of(&[]), Statistic::Sum.of(&[])), (0.0, 0.0));
    // Two cells of three classes: probabilities 1/2, 1/4, 1/4 and 1/3 each, by rows of cells.
    let ln2 = std::f64::consts::LN_2;
    let logits = [ln2, 7.0, 0.0, 7.0, 0.0, 7.0];
    // A few roundings of exp and the quotient.
    assert!((confidence(&logits, 3) - (1.0 / 2.0 + 1.0 / 3.0) / 2.0).abs() <= 1e-15);
    // Neither overflow nor a shift of a cell's logits matters.
    let shifted: Vec<f64> = logits.iter().map(|v| v + 2000.0).collect();
    assert!((confidence(&shifted, 3) - confidence(&logits, 3)).abs() <= 1e-12);
}
