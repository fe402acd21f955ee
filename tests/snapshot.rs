//! Training that stops and goes on: all that a trainer keeps, and who may take it.

#[cfg(feature = "gpu")]
mod common;

use kuramoto::model::akorn::{Classifier, ClassifierConfig, Run, Sudoku, SudokuConfig};
use kuramoto::model::{Role, Snapshot, Trainer, TrainerOptions};
use kuramoto::{AdamOptions, DType, Distribution, ErrorKind, Result, Stream, Tape, WarmUp};

fn small_sudoku(channels: usize) -> Result<Sudoku> {
    Sudoku::new(SudokuConfig { side: 4, channels, heads: 2, ..SudokuConfig::default() })
}

fn small_classifier() -> Result<Classifier> {
    Classifier::new(ClassifierConfig { colours: 1, classes: 3, channels: 4, kernels: vec![3, 3], ..Default::default() })
}

const PUZZLE: [u32; 16] = [1, 0, 0, 4, 0, 4, 1, 0, 0, 1, 4, 0, 4, 0, 0, 1];
const SOLUTION: [u32; 16] = [1, 2, 3, 4, 3, 4, 1, 2, 2, 1, 4, 3, 4, 3, 2, 1];

/// A trainer of the small network, with a moving average.
fn trainer(tape: &mut Tape, seed: u64) -> Result<Trainer> {
    let options = TrainerOptions::new(AdamOptions::new(1e-2).clip(1.0));
    let average = WarmUp { start: 2, every: 1, max_decay: 0.9 };
    Trainer::new(tape, &small_sudoku(8)?.parameters(seed)?, options.average(average))
}

/// Losses of the next few steps on one board.
fn advance(tape: impl Fn() -> Tape, trainer: &mut Trainer, steps: u32) -> Result<Vec<f64>> {
    let net = small_sudoku(8)?;
    let one = |_| {
        let mut tape = tape();
        let bound = trainer.bind(&mut tape)?;
        let stream = Stream { seed: 3, first_sample: 0, step: trainer.steps(), stream: 0 };
        let noise = tape.noise(stream, Distribution::Gaussian, &net.noise_shape(1), DType::F32)?;
        let solved = net.forward(&mut tape, &bound, &PUZZLE, noise, &Run::new(3))?;
        let loss = net.loss(&mut tape, &solved, &SOLUTION)?;
        let gradients = tape.backward(loss)?;
        trainer.step(&mut tape, &bound, &gradients, &[])?;
        Ok(tape.read(loss)?[0])
    };
    (0..steps).map(one).collect()
}

/// Six steps at once, and three, a snapshot, and three more from it by another trainer: all that the two keep is equal.
fn stops_and_goes_on(tape: impl Fn() -> Tape) -> Result<()> {
    let mut through = trainer(&mut tape(), 1)?;
    advance(&tape, &mut through, 6)?;
    let mut first = trainer(&mut tape(), 1)?;
    advance(&tape, &mut first, 3)?;
    let snapshot = first.snapshot(&mut tape())?;
    #[cfg(feature = "weights")]
    let snapshot = {
        let bytes = snapshot.save()?.to_bytes()?;
        let again = Snapshot::load(&kuramoto::weights::Weights::from_bytes(&bytes)?)?;
        assert_eq!(again, snapshot);
        again
    };
    let mut second = trainer(&mut tape(), 2)?;
    second.restore(&mut tape(), &snapshot)?;
    advance(&tape, &mut second, 3)?;
    let (through, second) = (through.snapshot(&mut tape())?, second.snapshot(&mut tape())?);
    assert_eq!(through.step, 6);
    for ((name, _, wanted), (other, _, got)) in through.iter().zip(second.iter()) {
        assert_eq!(name, other);
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(got), bits(wanted), "{name}");
    }
    assert_eq!(second, through);
    assert_ne!(first.snapshot(&mut tape())?, through);
    Ok(())
}

#[test]
fn training_goes_on_from_a_snapshot_as_if_it_had_never_stopped() -> Result<()> {
    stops_and_goes_on(Tape::reference)?;
    #[cfg(feature = "gpu")]
    stops_and_goes_on(|| Tape::new(&common::device()))?;
    Ok(())
}

#[test]
fn a_snapshot_holds_running_statistics_and_what_is_frozen() -> Result<()> {
    let tape = &mut Tape::reference();
    let (first, second) = (small_classifier()?.parameters(1)?, small_classifier()?.parameters(2)?);
    let options = TrainerOptions::new(AdamOptions::new(1e-3)).average(WarmUp::new(0, 0.9));
    let snapshot = Trainer::new(tape, &first, options)?.snapshot(tape)?;
    let mut other = Trainer::new(tape, &second, options)?;
    other.restore(tape, &snapshot)?;
    assert_eq!(other.read(tape, false)?, first);
    for averaged in [false, true] {
        let mut read = second.clone();
        snapshot.parameters(averaged, &mut read)?;
        assert_eq!(read, first);
    }
    let named = |start: &str| snapshot.iter().filter(|(name, ..)| name.starts_with(start)).count();
    let placed = first.iter().filter(|p| !matches!(p.role, Role::Alias(_) | Role::Unused)).count();
    let learned = first.iter().filter(|p| p.role == Role::Learned).count();
    assert_eq!(named("parameters."), placed);
    assert_eq!((named("moments.first."), named("moments.second.")), (learned, learned));
    Ok(())
}

#[test]
fn a_snapshot_of_another_trainer_is_refused() -> Result<()> {
    let tape = &mut Tape::reference();
    let plain = TrainerOptions::new(AdamOptions::new(1e-2));
    let mut averaged = trainer(tape, 1)?;
    let mut bare = Trainer::new(tape, &small_sudoku(8)?.parameters(1)?, plain)?;
    let wide = Trainer::new(tape, &small_sudoku(16)?.parameters(1)?, plain)?.snapshot(tape)?;
    let (of_averaged, of_bare) = (averaged.snapshot(tape)?, bare.snapshot(tape)?);
    let mut refuses = |trainer: &mut Trainer, snapshot: &Snapshot, kind: ErrorKind, words: [&str; 2]| {
        let before = trainer.snapshot(tape)?;
        let error = trainer.restore(tape, snapshot).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(words.iter().all(|word| error.to_string().contains(word)), "{error}");
        assert_eq!(trainer.snapshot(tape)?, before);
        Ok(())
    };
    refuses(&mut averaged, &of_bare, ErrorKind::Param, ["average.", "missing"])?;
    refuses(&mut bare, &of_averaged, ErrorKind::Param, ["average.", "surplus"])?;
    refuses(&mut bare, &wide, ErrorKind::Shape, ["[5, 16]", "[5, 8]"])
}

#[cfg(feature = "weights")]
#[test]
fn weights_that_are_no_snapshot_are_refused() -> Result<()> {
    let error = Snapshot::load(&small_sudoku(8)?.parameters(1)?.save()?).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::File);
    assert!(error.to_string().contains("step"), "{error}");
    Ok(())
}
