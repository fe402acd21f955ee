//! The vote over random starts: its outcome does not depend on how draws are cut into batches, and it compares what it
//! says it compares.
#![cfg(feature = "gpu")]

mod common;

use common::{device, error_of};
use kuramoto::model::akorn::{Run, Solved, Sudoku, SudokuConfig, Trajectory};
use kuramoto::model::vote::{Ballot, Draw, Elected, Statistic, VoteOptions, confidence, elect};
use kuramoto::{DType, Distribution, ErrorKind, Result, Stream, Tape, Var};

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

/// Logits, state and all energies of a pass, on `tape`.
fn numbers(tape: &mut Tape, solved: &Solved) -> Result<Vec<Vec<f64>>> {
    let Trajectory { state, states, energies } = &solved.trajectory;
    let vars: Vec<Var> = [solved.logits, *state].into_iter().chain(energies.iter().copied()).collect();
    assert!(states.is_empty(), "nobody asked for states");
    vars.into_iter().map(|var| tape.read(var)).collect()
}

#[test]
fn a_run_read_out_on_the_way_has_the_bits_of_runs_of_their_own() -> Result<()> {
    for layers in [1, 2] {
        let network = Sudoku::new(SudokuConfig { layers, ..network()?.config().clone() })?;
        let parameters = network.parameters(2)?;
        for mut tape in [Tape::reference(), Tape::new(&device())] {
            let tape = &mut tape;
            let bound = parameters.place(tape)?.bind_constant(tape);
            let stream = Stream { seed: 3, ..Stream::default() };
            let noise = tape.noise(stream, Distribution::Gaussian, &network.noise_shape(3), DType::F32)?;
            let stops = [0, 1, 4, 6];
            let stages = network.forward_at(tape, &bound, &boards(), noise, &stops)?;
            assert_eq!(stages.len(), stops.len());
            let mut seen = vec![];
            for (solved, stop) in stages.iter().zip(stops) {
                let alone = network.forward(tape, &bound, &boards(), noise, &Run::new(stop))?;
                let found = numbers(tape, solved)?;
                assert_eq!(found, numbers(tape, &alone)?, "{layers} layers, {stop} steps");
                assert_eq!(found.len(), 2 + stop);
                seen.push(found[0].clone());
            }
            assert!(seen.windows(2).all(|pair| pair[0] != pair[1]), "steps change nothing; this proves nothing");
        }
    }
    Ok(())
}

#[test]
fn stops_that_do_not_ascend_are_refused() -> Result<()> {
    let network = network()?;
    let tape = &mut Tape::reference();
    let bound = network.parameters(1)?.place(tape)?.bind_constant(tape);
    let noise = tape.noise(Stream::default(), Distribution::Gaussian, &network.noise_shape(3), DType::F32)?;
    for (stops, shown) in [([2, 1], "[2, 1]"), ([3, 3], "[3, 3]")] {
        let result = network.forward_at(tape, &bound, &boards(), noise, &stops);
        let message = format!("Sudoku: stops is {shown}, expected ascending numbers");
        common::refused(result, ErrorKind::Param, &message);
    }
    Ok(())
}

#[test]
fn draws_score_by_every_ballot_at_every_stop_as_votes_do() -> Result<()> {
    let network = network()?;
    let tape = &mut Tape::new(&device());
    let placed = network.parameters(1)?.place(tape)?;
    let repeated: Vec<u32> = boards().chunks(16).flat_map(|board| board.repeat(DRAWS)).collect();
    let start = Stream { seed: 7, ..Stream::default() };
    let stages = network.draw(tape, &placed, &repeated, start, &[1, STEPS], &BALLOTS)?;
    for (stage, steps) in stages.iter().zip([1, STEPS]) {
        assert_eq!(stage.len(), 3 * DRAWS);
        for (which, ballot) in BALLOTS.into_iter().enumerate() {
            let options = VoteOptions { steps, ..options(ballot, 4) };
            for (b, elected) in network.vote(tape, &placed, &boards(), &options)?.iter().enumerate() {
                let draws = &stage[b * DRAWS..][..DRAWS];
                let scores: Vec<f64> = draws.iter().map(|drawn| drawn.scores[which]).collect();
                assert_eq!((&scores, &draws[elected.draw].answer), (&elected.scores, &elected.answer), "{ballot:?}");
            }
        }
    }
    // Samples further on in the noise are the same draws.
    let later = Stream { first_sample: 5, ..start };
    let again = network.draw(tape, &placed, &repeated[5 * 16..], later, &[1, STEPS], &BALLOTS)?;
    assert_eq!(again.iter().map(Vec::as_slice).collect::<Vec<_>>(), [&stages[0][5..], &stages[1][5..]]);
    // Before the first step there is no energy to compare.
    let before = network.draw(tape, &placed, &boards(), start, &[0], &BALLOTS)?;
    assert!(before[0].iter().all(|drawn| drawn.scores[..2] == [0.0, 0.0] && drawn.scores[2] < 0.0));
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
