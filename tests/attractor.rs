//! What must hold for attractor models at their fixed points: gradients, memory, independence of the batch, positions.
#![cfg(feature = "gpu")]

mod common;
#[path = "../examples/attractor_sudoku/rank.rs"]
mod rank;

use common::{error_of, numbers, own_device, refused};
use kuramoto::model::Parameters;
use kuramoto::model::attractor::{
    AttractorConfig, AttractorLm, AttractorLmConfig, AttractorPuzzle, AttractorPuzzleConfig, AttractorReasoner,
    AttractorReasonerConfig, Carried, Refine,
};
use kuramoto::model::transformer::Positions;
use kuramoto::solve::{Adjoint, Implicit, Method, Sample, SolveOptions, Status};
use kuramoto::{ErrorKind, Result, Tape};

/// Largest difference beside the largest element.
fn apart(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let size = b.iter().fold(0.0f64, |m, b| m.max(b.abs()));
    a.iter().zip(b).fold(0.0, |m, (a, b)| (a - b).abs().max(m)) / size.max(1e-30)
}

fn puzzle() -> Result<(AttractorPuzzle, Parameters)> {
    let attractor = AttractorConfig { hidden: 8, positions: Positions::None, ..AttractorConfig::new(8, 2) };
    let model = AttractorPuzzle::new(AttractorPuzzleConfig { attractor, cells: 4, symbols: 3 })?;
    let parameters = model.parameters(3)?;
    Ok((model, parameters))
}

const BOARDS: [u32; 8] = [1, 0, 0, 3, 0, 2, 1, 0];
const SOLUTIONS: [u32; 8] = [1, 2, 1, 3, 3, 2, 1, 2];

/// Loss, all gradients one after the other, and the outcomes of the samples.
fn trained(tape: &mut Tape, refine: &Refine) -> Result<(f64, Vec<f64>, Vec<Sample>)> {
    let (model, parameters) = puzzle()?;
    let bound = parameters.place(tape)?.bind(tape);
    let answer = model.forward(tape, &bound, &BOARDS, refine)?;
    let loss = model.loss(tape, &answer, &SOLUTIONS)?;
    let grads = tape.backward(loss)?;
    let mut all = Vec::new();
    for parameter in parameters.iter() {
        all.extend(grads.read(tape, bound.get(&parameter.name)?)?);
    }
    let samples = answer.refined.equilibrium.map(|found| found.solution().samples().to_vec());
    Ok((tape.read(loss)?[0], all, samples.unwrap_or_default()))
}

fn picard(tolerance: f64, most: usize) -> SolveOptions {
    SolveOptions::new(Method::Picard, tolerance, most)
}

fn tight(adjoint: Adjoint) -> Refine {
    Refine::settle_strictly(picard(1e-13, 400), adjoint)
}

fn exact() -> Adjoint {
    Adjoint::Implicit(Implicit::new(picard(1e-13, 400)))
}

#[test]
fn the_implicit_gradient_is_that_of_all_steps() -> Result<()> {
    let mut tape = Tape::reference();
    let (loss, unrolled, _) = trained(&mut tape, &Refine::steps(60))?;
    let (settled, implicit, samples) = trained(&mut tape, &tight(exact()))?;
    assert!((loss - settled).abs() < 1e-11, "{loss} beside {settled}");
    assert!(samples.iter().all(|s| s.status == Status::Converged && s.iterations > 3), "{samples:?}");
    assert!(apart(&implicit, &unrolled) < 1e-10, "{:e}", apart(&implicit, &unrolled));
    Ok(())
}

#[test]
fn more_terms_of_the_gradient_come_closer() -> Result<()> {
    let mut tape = Tape::reference();
    let (_, exact, _) = trained(&mut tape, &tight(exact()))?;
    let mut errors = Vec::new();
    for terms in [0, 1, 2, 4, 8, 16] {
        errors.push(apart(&trained(&mut tape, &tight(Adjoint::neumann(terms)))?.1, &exact));
    }
    assert!(errors.windows(2).all(|pair| pair[1] < pair[0]), "{errors:?}");
    assert!(errors[0] > 1e-3 && errors[5] < 1e-4 * errors[0], "{errors:?}");
    Ok(())
}

#[test]
fn what_does_not_settle_says_so() -> Result<()> {
    let mut tape = Tape::reference();
    let hasty = trained(&mut tape, &Refine::settle_strictly(picard(1e-9, 2), Adjoint::one_step()));
    assert_eq!(error_of(hasty, "a solve that is cut short").kind(), ErrorKind::NotConverged);
    let (_, _, samples) = trained(&mut tape, &Refine::settle(picard(1e-9, 2), Adjoint::one_step()))?;
    assert!(samples.iter().all(|sample| sample.status == Status::MaxIters), "{samples:?}");
    let hasty = Adjoint::Implicit(Implicit::new(picard(1e-12, 2)));
    let error = error_of(trained(&mut tape, &tight(hasty)), "a gradient that is cut short");
    assert_eq!(error.kind(), ErrorKind::NotConverged);
    Ok(())
}

#[test]
fn the_penalty_has_the_slope_of_its_head() -> Result<()> {
    let (model, parameters) = puzzle()?;
    // Without iterations the state is the proposal, which the head does not change.
    let penalty = |parameters: &Parameters, tape: &mut Tape| -> Result<_> {
        let bound = parameters.place(tape)?.bind(tape);
        let answer = model.forward(tape, &bound, &BOARDS, &Refine::steps(0))?;
        let penalty = model.jacobian_penalty(tape, &bound, &answer, 1e-2, 5)?;
        Ok((bound, penalty))
    };
    let along = |t: f32| -> Result<Parameters> {
        let mut moved = parameters.clone();
        for (seed, parameter) in parameters.iter().filter(|p| p.name.starts_with("core_block")).enumerate() {
            let direction = numbers(seed as u64 + 100, parameter.values.len());
            let values: Vec<f32> = parameter.values.iter().zip(&direction).map(|(p, d)| p + t * d).collect();
            moved.set(&parameter.name, &values)?;
        }
        Ok(moved)
    };
    let h = 1.0 / 512.0;
    let at = |t: f32| -> Result<f64> {
        let mut tape = Tape::reference();
        let (_, penalty) = penalty(&along(t)?, &mut tape)?;
        Ok(tape.read(penalty)?[0])
    };
    let expected = (at(h)? - at(-h)?) / f64::from(2.0 * h);
    assert!(at(0.0)? > 0.0);
    let mut tape = Tape::reference();
    let (bound, var) = penalty(&parameters, &mut tape)?;
    let grads = tape.backward(var)?;
    let mut got = 0.0;
    for (seed, parameter) in parameters.iter().filter(|p| p.name.starts_with("core_block")).enumerate() {
        let gradient = grads.read(&mut tape, bound.get(&parameter.name)?)?;
        let direction = numbers(seed as u64 + 100, parameter.values.len());
        got += gradient.iter().zip(&direction).map(|(g, d)| g * f64::from(*d)).sum::<f64>();
    }
    assert!(expected.abs() > 1e-4 && (got - expected).abs() < 1e-3 * expected.abs(), "{got} beside {expected}");
    let backbone = grads.read(&mut tape, bound.get("prelude.0.mlp.fc.weight")?)?;
    assert!(backbone.iter().any(|g| *g != 0.0), "the proposal moves the map too");
    Ok(())
}

#[test]
fn memory_does_not_grow_with_iterations() -> Result<()> {
    let peak = |refine: Refine| -> Result<u64> {
        let context = own_device();
        let mut tape = Tape::new(&context);
        trained(&mut tape, &refine)?;
        Ok(context.counters().peak_live_bytes)
    };
    // A residual that no rounding reaches: every iteration is made.
    let exactly = |count: usize| {
        let options = SolveOptions { patience: 0, ..SolveOptions::new(Method::anderson(3), 1e-30, count) };
        Refine::settle(options, Adjoint::neumann(1))
    };
    let (few, many) = (peak(exactly(5))?, peak(exactly(40))?);
    assert_eq!(few, many, "bytes after 5 and 40 iterations");
    let unrolled = peak(Refine::steps(40))?;
    assert!(unrolled > 3 * many, "{unrolled} beside {many}: the measure sees memory grow");
    Ok(())
}

#[test]
fn without_the_solver_the_proposal_is_decoded() -> Result<()> {
    let model = AttractorLm::new(AttractorLmConfig::new(5, 8, 2))?;
    let parameters = model.parameters(1)?;
    let mut tape = Tape::reference();
    let bound = parameters.place(&mut tape)?.bind(&mut tape);
    let tokens = [0, 4, 2, 1, 3, 3];
    let predicted = model.forward(&mut tape, &bound, &tokens, 3, &Refine::steps(0))?;
    assert_eq!(tape.read(predicted.refined.state)?, tape.read(predicted.refined.proposal)?);
    // Causal: the last token of each sequence changes no earlier prediction.
    let other = model.forward(&mut tape, &bound, &[0, 4, 3, 1, 3, 0], 3, &Refine::steps(2))?;
    let same = model.forward(&mut tape, &bound, &tokens, 3, &Refine::steps(2))?;
    let (other, same) = (tape.read(other.logits)?, tape.read(same.logits)?);
    for sequence in 0..2 {
        let early = sequence * 15..sequence * 15 + 10;
        assert_eq!(other[early.clone()], same[early]);
    }
    assert!(other != same);
    let message = "AttractorLm: tokens is 4 tokens, expected sequences of 3";
    refused(model.forward(&mut tape, &bound, &[0; 4], 3, &Refine::steps(0)), ErrorKind::Shape, message);
    let message = "AttractorLm: tokens is 5 at 1, expected below 5";
    refused(model.forward(&mut tape, &bound, &[0, 5, 0], 3, &Refine::steps(0)), ErrorKind::Index, message);
    let (puzzle, _) = puzzle()?;
    let message = "AttractorPuzzle: boards is 4 at cell 1, expected from 0 to 3";
    refused(puzzle.forward(&mut tape, &bound, &[0, 4, 0, 0], &Refine::steps(0)), ErrorKind::Index, message);
    Ok(())
}

/// Rows within all boxes, or rows of boxes, change places: the rules are the same, and so is the network with positions of a
/// board, to rounding. It does see where cells are: other moves are not the same to it.
#[test]
fn a_board_that_is_moved_has_its_answer_moved() -> Result<()> {
    let attractor =
        AttractorConfig { hidden: 8, positions: Positions::Board { side: 4 }, ..AttractorConfig::new(8, 1) };
    let model = AttractorPuzzle::new(AttractorPuzzleConfig { attractor, cells: 16, symbols: 4 })?;
    let parameters = model.parameters(3)?;
    assert!(parameters.get("positions.weight").is_none());
    let mut tape = Tape::reference();
    let bound = parameters.place(&mut tape)?.bind(&mut tape);
    let mut logits = |board: &[u32]| -> Result<Vec<f64>> {
        let answer = model.forward(&mut tape, &bound, board, &Refine::steps(3))?;
        tape.read(answer.logits)
    };
    let board = [1, 0, 0, 4, 0, 0, 1, 0, 0, 1, 0, 0, 4, 0, 2, 1];
    let still = logits(&board)?;
    let mut moved = |to: &dyn Fn(usize, usize) -> (usize, usize)| -> Result<f64> {
        let to = |cell: usize| {
            let (row, column) = to(cell / 4, cell % 4);
            4 * row + column
        };
        let (mut other, mut expected) = ([0; 16], vec![0.0; 64]);
        for cell in 0..16 {
            other[to(cell)] = board[cell];
            expected[4 * to(cell)..][..4].copy_from_slice(&still[4 * cell..][..4]);
        }
        Ok(apart(&logits(&other)?, &expected))
    };
    for flip in 1..4 {
        let (down, along) = (moved(&|row, column| (row ^ flip, column))?, moved(&|row, column| (row, column ^ flip))?);
        assert!(down < 1e-6 && along < 1e-6, "{flip}: {down:e}, {along:e}");
    }
    let off = moved(&|row, column| ((row + 1) % 4, column))?;
    assert!(off > 1e-3, "{off:e}");
    Ok(())
}

#[test]
fn rank_correlations_share_ranks_and_count_permutations() {
    // Ranks of the second are 1, 2, 3.5, 5, 3.5.
    let found = rank::spearman(&[1.0, 2.0, 3.0, 4.0, 5.0], &[5.0, 6.0, 7.0, 8.0, 7.0], 1);
    assert!((found.rho - 8.0 / 95f64.sqrt()).abs() < 1e-12, "{found:?}");
    // So many of all 120 orders are as strong, in either direction.
    assert!((found.p - 16.0 / 120.0).abs() < 0.02, "{found:?}");
    let rising: Vec<f64> = (0..12).map(f64::from).collect();
    let falling: Vec<f64> = rising.iter().map(|x| -x.powi(3)).collect();
    let found = rank::spearman(&rising, &falling, 1);
    assert!((found.rho + 1.0).abs() < 1e-12 && found.p < 1e-3, "{found:?}");
    let level = rank::spearman(&rising, &[2.0; 12], 1);
    assert_eq!((level.rho, level.p), (0.0, 1.0));
}

fn reasoner() -> Result<(AttractorReasoner, Parameters)> {
    let config = AttractorReasonerConfig::new(4, 3, 8, 2);
    let model = AttractorReasoner::new(AttractorReasonerConfig { blocks: 1, ..config })?;
    let parameters = model.parameters(5)?;
    Ok((model, parameters))
}

/// Loss and all gradients of one step of supervision, one after the other, the states it ended in, and its samples.
#[allow(clippy::type_complexity)]
fn supervised(
    tape: &mut Tape,
    parameters: &Parameters,
    carried: Option<&Carried>,
    refine: &Refine,
) -> Result<(f64, Vec<f64>, Carried, Vec<Sample>)> {
    let (model, _) = reasoner()?;
    let bound = parameters.place(tape)?.bind(tape);
    let answer = model.forward(tape, &bound, &BOARDS, carried, refine)?;
    let loss = model.loss(tape, &answer, &SOLUTIONS)?;
    let halt = model.halt_loss(tape, &answer, &[true, false])?;
    let loss = tape.axpy(0.5, halt, loss)?;
    let grads = tape.backward(loss)?;
    let mut all = Vec::new();
    for parameter in parameters.iter() {
        all.extend(grads.read(tape, bound.get(&parameter.name)?)?);
    }
    let samples = answer.equilibrium.as_ref().map(|found| found.solution().samples().to_vec());
    Ok((tape.read(loss)?[0], all, answer.carry(tape)?, samples.unwrap_or_default()))
}

/// The fixed point of both states, whatever finds it, with its exact gradient.
fn settled() -> Refine {
    let options = SolveOptions { patience: 0, ..SolveOptions::new(Method::Broyden { memory: 31 }, 1e-12, 2000) };
    Refine::settle_strictly(options, Adjoint::Implicit(Implicit::like(&options)))
}

#[test]
fn both_states_settle_and_the_loss_has_the_slope_of_its_gradient() -> Result<()> {
    let (_, mut parameters) = reasoner()?;
    // Multiples of a power of two that steps of another do not round.
    for parameter in parameters.clone().iter() {
        let coarse: Vec<f32> = parameter.values.iter().map(|x| (x * 16384.0).round() / 16384.0).collect();
        parameters.set(&parameter.name, &coarse)?;
    }
    let at = |steps: f64, along: &[f64]| -> Result<f64> {
        let mut moved = parameters.clone();
        let mut along = along.iter();
        for parameter in parameters.iter() {
            let step = |x: &f32, d: &f64| *x + (steps * d) as f32;
            let values: Vec<f32> = parameter.values.iter().zip(&mut along).map(|(x, d)| step(x, d)).collect();
            moved.set(&parameter.name, &values)?;
        }
        Ok(supervised(&mut Tape::reference(), &moved, None, &settled())?.0)
    };
    let (_, gradient, _, _) = supervised(&mut Tape::reference(), &parameters, None, &settled())?;
    let along: Vec<f64> = (0..gradient.len()).map(|i| if i % 3 == 1 { 1.0 } else { -1.0 }).collect();
    let slope: f64 = gradient.iter().zip(&along).map(|(g, d)| g * d).sum();
    let h = 1.0 / 2048.0;
    let difference =
        (at(-2.0 * h, &along)? - 8.0 * at(-h, &along)? + 8.0 * at(h, &along)? - at(2.0 * h, &along)?) / (12.0 * h);
    println!("slope {slope}, difference {difference}");
    assert!((difference - slope).abs() < 1e-5 * slope.abs(), "{difference} and {slope}");
    Ok(())
}

#[test]
fn supervision_goes_on_where_it_ended() -> Result<()> {
    let (_, parameters) = reasoner()?;
    let mut tape = Tape::reference();
    let (first, _, carried, begun) = supervised(&mut tape, &parameters, None, &settled())?;
    let (second, _, _, resumed) = supervised(&mut tape, &parameters, Some(&carried), &settled())?;
    assert!((first - second).abs() < 1e-9, "{first} and {second}");
    assert!(begun.iter().all(|sample| sample.iterations > 3) && resumed.iter().all(|sample| sample.iterations == 0));
    // Steps in two parts are those in one.
    let steps = |count| Refine::steps(count);
    let (whole, ..) = supervised(&mut tape, &parameters, None, &steps(5))?;
    let (_, _, carried, _) = supervised(&mut tape, &parameters, None, &steps(2))?;
    let (parts, ..) = supervised(&mut tape, &parameters, Some(&carried), &steps(3))?;
    assert_eq!(whole, parts);
    Ok(())
}

#[test]
fn where_states_begin_is_learned_by_steps_and_not_at_a_fixed_point() -> Result<()> {
    let (_, parameters) = reasoner()?;
    let before: usize = parameters.iter().take_while(|p| p.name != "start.weight").map(|p| p.values.len()).sum();
    let own = before..before + 2 * 8;
    let mut tape = Tape::reference();
    let (_, stepped, ..) = supervised(&mut tape, &parameters, None, &Refine::steps(2))?;
    assert!(stepped[own.clone()].iter().all(|g| g.abs() > 1e-8));
    let (_, settled, ..) = supervised(&mut tape, &parameters, None, &settled())?;
    assert!(settled[own].iter().all(|g| *g == 0.0));
    Ok(())
}

#[test]
fn a_reasoner_is_the_same_on_a_device_and_halts_by_its_cross_entropy() -> Result<()> {
    let (model, parameters) = reasoner()?;
    let run = |tape: &mut Tape| -> Result<[Vec<f64>; 4]> {
        let bound = parameters.place(tape)?.bind(tape);
        let answer = model.forward(tape, &bound, &BOARDS, None, &Refine::steps(3))?;
        let loss = model.halt_loss(tape, &answer, &[true, false])?;
        let stable = model.stable_loss(tape, &answer, &SOLUTIONS)?;
        Ok([tape.read(answer.logits)?, tape.read(answer.halt)?, tape.read(loss)?, tape.read(stable)?])
    };
    let exact = run(&mut Tape::reference())?;
    let weight = |x: f64| if x < 0.0 { 1.0 / (1.0 - x) } else { 1.0 + x };
    let stable = exact[0].chunks(3).zip(SOLUTIONS).map(|(logits, right)| {
        let total: f64 = logits.iter().map(|x| weight(*x)).sum();
        (total / weight(logits[right as usize - 1])).ln() / SOLUTIONS.len() as f64
    });
    let stable: f64 = stable.sum();
    assert!((exact[3][0] - stable).abs() < 1e-12, "{} and {stable}", exact[3][0]);
    let by_hand = ((1.0 + (-exact[1][0]).exp()).ln() + (1.0 + exact[1][1].exp()).ln()) / 2.0;
    assert!((exact[2][0] - by_hand).abs() < 1e-12, "{} and {by_hand}", exact[2][0]);
    let found = run(&mut Tape::new(&own_device()))?;
    for (found, exact) in found.iter().zip(&exact) {
        // Three steps of two stacks, each of about 40 operations in a row, of which the norms double what is off.
        assert!(apart(found, exact) < 2e-5, "{:e}", apart(found, exact));
    }
    Ok(())
}

#[test]
fn a_reasoner_refuses_what_makes_no_sense() -> Result<()> {
    let good = AttractorReasonerConfig::new(4, 3, 8, 2);
    for bad in [
        AttractorReasonerConfig { blocks: 0, ..good },
        AttractorReasonerConfig { cells: 0, ..good },
        AttractorReasonerConfig { symbols: 0, ..good },
        AttractorReasonerConfig::new(4, 3, 8, 3),
    ] {
        assert_eq!(AttractorReasoner::new(bad).unwrap_err().kind(), ErrorKind::Param, "{bad:?}");
    }
    let (model, parameters) = reasoner()?;
    let mut tape = Tape::reference();
    let bound = parameters.place(&mut tape)?.bind(&mut tape);
    let steps = Refine::steps(1);
    let of = |tape: &mut Tape, boards: &[u32], carried: Option<&Carried>| {
        model.forward(tape, &bound, boards, carried, &steps).map(|_| ())
    };
    assert_eq!(of(&mut tape, &BOARDS[..3], None).unwrap_err().kind(), ErrorKind::Shape);
    assert_eq!(of(&mut tape, &[4, 0, 0, 0], None).unwrap_err().kind(), ErrorKind::Index);
    let answer = model.forward(&mut tape, &bound, &BOARDS, None, &steps)?;
    let carried = answer.carry(&tape)?;
    assert_eq!(of(&mut tape, &BOARDS[..4], Some(&carried)).unwrap_err().kind(), ErrorKind::Shape);
    assert_eq!(model.halt_loss(&mut tape, &answer, &[true]).unwrap_err().kind(), ErrorKind::Shape);
    assert_eq!(model.loss(&mut tape, &answer, &BOARDS).unwrap_err().kind(), ErrorKind::Index);
    Ok(())
}
