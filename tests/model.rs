//! Models as a whole: parameters, training, memory, files.

#[cfg(feature = "gpu")]
mod common;

use kuramoto::model::akorn::{Classifier, ClassifierConfig, ClassifierMode, Coupling, KuramotoLayer};
use kuramoto::model::akorn::{LayerConfig, Run, Sudoku, SudokuConfig};
use kuramoto::model::{Builder, Initial, Parameters, Role, Trainer, TrainerOptions};
use kuramoto::{AdamOptions, DType, Distribution, ErrorKind, Result, Storage, Stream, Tape, WarmUp};

fn small_sudoku() -> Result<Sudoku> {
    Sudoku::new(SudokuConfig { side: 4, channels: 8, heads: 2, ..SudokuConfig::default() })
}

fn small_classifier() -> Result<Classifier> {
    Classifier::new(ClassifierConfig { colours: 1, classes: 3, channels: 4, kernels: vec![3, 3], ..Default::default() })
}

fn gaussian(tape: &mut Tape, shape: &[usize], step: u32) -> Result<kuramoto::Var> {
    let stream = Stream { seed: 3, first_sample: 0, step, stream: 0 };
    tape.noise(stream, Distribution::Gaussian, shape, DType::F32)
}

const PUZZLE: [u32; 16] = [1, 0, 0, 4, 0, 4, 1, 0, 0, 1, 4, 0, 4, 0, 0, 1];
const SOLUTION: [u32; 16] = [1, 2, 3, 4, 3, 4, 1, 2, 2, 1, 4, 3, 4, 3, 2, 1];

/// Losses of a few steps on one board, and the parameters afterwards.
fn train(tape: impl Fn() -> Tape, steps: u32) -> Result<(Vec<f64>, Parameters, Parameters)> {
    let net = small_sudoku()?;
    let adam = AdamOptions::new(1e-2).clip(1.0);
    let options = TrainerOptions::new(adam).average(WarmUp { start: 2, every: 1, max_decay: 0.9 });
    let mut trainer = Trainer::new(&mut tape(), &net.parameters(1)?, options)?;
    let mut losses = Vec::new();
    for step in 0..steps {
        let mut tape = tape();
        let bound = trainer.bind(&mut tape)?;
        let noise = gaussian(&mut tape, &net.noise_shape(1), step)?;
        let solved = net.forward(&mut tape, &bound, &PUZZLE, noise, &Run::new(3))?;
        let loss = net.loss(&mut tape, &solved, &SOLUTION)?;
        let gradients = tape.backward(loss)?;
        trainer.step(&mut tape, &bound, &gradients, &[])?;
        losses.push(tape.read(loss)?[0]);
    }
    let mut tape = tape();
    Ok((losses, trainer.read(&mut tape, false)?, trainer.read(&mut tape, true)?))
}

#[test]
fn training_learns_a_board_by_heart_on_the_reference_backend() -> Result<()> {
    let (losses, last, average) = train(Tape::reference, 40)?;
    assert!(losses[0] > 1.0 && losses[39] < 0.5 * losses[0], "{losses:?}");
    // Nothing but what learns has changed, and the average lags behind.
    let first = small_sudoku()?.parameters(1)?;
    for ((now, before), average) in last.iter().zip(first.iter()).zip(average.iter()) {
        let learned = now.role == Role::Learned;
        assert_eq!(now.values != before.values, learned, "{}", now.name);
        assert_eq!(now.values != average.values, learned, "{}", now.name);
    }
    Ok(())
}

#[test]
fn running_statistics_follow_the_batches() -> Result<()> {
    let net = small_classifier()?;
    let mut tape = Tape::reference();
    let mut trainer = Trainer::new(&mut tape, &net.parameters(0)?, TrainerOptions::new(AdamOptions::new(0.0)))?;
    let mut expected: Option<(f64, f64)> = None;
    for step in 0..3 {
        let mut tape = Tape::reference();
        let bound = trainer.bind(&mut tape)?;
        let image = tape.noise(
            Stream { seed: 9, first_sample: 0, step, stream: 1 },
            Distribution::Uniform,
            &[2, 1, 6, 6],
            DType::F32,
        )?;
        let noise = gaussian(&mut tape, &net.noise_shape(2, 6, 6), step)?;
        let found = net.forward(&mut tape, &bound, image, noise, &Run::new(2), ClassifierMode::Train)?;
        let loss = tape.dot(found.logits, found.logits)?;
        let gradients = tape.backward(loss)?;
        trainer.step(&mut tape, &bound, &gradients, &found.statistics)?;
        let first = &found.statistics[0];
        assert_eq!((first.count, found.statistics.len()), (2 * 36, 6));
        let (mean, variance) = (tape.read(first.mean)?[0], tape.read(first.variance)?[0]);
        let (m, v) = expected.unwrap_or((0.0, 1.0));
        expected = Some((0.9 * m + 0.1 * mean, 0.9 * v + 0.1 * variance * 72.0 / 71.0));
    }
    let read = trainer.read(&mut tape, false)?;
    let value = |name: &str| f64::from(read.get(&format!("layers.0.3.1.fn.fn.0.fn.0.{name}")).unwrap().values[0]);
    let (mean, variance) = expected.unwrap();
    // The host's copy is f32, and the factor 72 / 71 too.
    approx::assert_relative_eq!(value("running_mean"), mean, max_relative = 1e-6);
    approx::assert_relative_eq!(value("running_var"), variance, max_relative = 1e-6);
    Ok(())
}

#[test]
fn the_published_networks_have_the_published_numbers_of_parameters() -> Result<()> {
    assert_eq!(Sudoku::new(SudokuConfig::default())?.parameters(0)?.learned(), 2_940_940);
    let classifier = Classifier::new(ClassifierConfig::default())?.parameters(0)?;
    assert_eq!(classifier.learned(), 7_023_760);
    Ok(())
}

#[test]
fn layers_say_what_is_wrong_with_their_options() {
    let config = |channels, n, coupling| LayerConfig::new(channels, n, coupling);
    let attention = |heads, positions| Coupling::Attention { heads, positions, causal: false };
    for (config, word) in [
        (config(8, 1, Coupling::Conv2d { kernel: 3 }), "n"),
        (config(9, 2, Coupling::Conv2d { kernel: 3 }), "channels"),
        (config(9, 3, Coupling::Conv2d { kernel: 3 }), "even"),
        (config(8, 4, Coupling::Conv2d { kernel: 4 }), "kernel"),
        (config(8, 4, attention(3, None)), "heads"),
        (config(8, 4, attention(0, None)), "heads"),
        (config(6, 2, attention(2, Some([2, 2]))), "pairs"),
        (config(8, 2, attention(2, Some([0, 2]))), "positions"),
    ] {
        let error = KuramotoLayer::new(config, "").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Param);
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn puzzles_that_are_no_boards_are_refused() -> Result<()> {
    let net = small_sudoku()?;
    let mut tape = Tape::reference();
    let placed = net.parameters(0)?.place(&mut tape)?;
    let bound = placed.bind(&mut tape);
    let noise = gaussian(&mut tape, &net.noise_shape(1), 0)?;
    let mut kind =
        |puzzle: &[u32]| net.forward(&mut tape, &bound, puzzle, noise, &Run::new(1)).map(|_| ()).unwrap_err().kind();
    assert_eq!(kind(&[]), ErrorKind::Shape);
    assert_eq!(kind(&[0; 15]), ErrorKind::Shape);
    assert_eq!(kind(&[5; 16]), ErrorKind::Index);
    assert_eq!(kind(&[0; 32]), ErrorKind::Shape);
    Ok(())
}

#[test]
fn a_model_with_two_parameters_of_one_name_is_refused() {
    let mut builder = Builder::new(0);
    builder.add("a", &[1], Role::Learned, Initial::Constant(0.0));
    builder.add("a", &[1], Role::Learned, Initial::Constant(0.0));
    assert_eq!(builder.finish().unwrap_err().kind(), ErrorKind::Param);
    let mut builder = Builder::new(0);
    builder.add("a", &[2], Role::Alias("b".into()), Initial::Constant(0.0));
    assert_eq!(builder.finish().unwrap_err().kind(), ErrorKind::Param);
    let mut builder = Builder::new(0);
    builder.add("a", &[2], Role::Learned, Initial::Values(vec![0.0]));
    assert_eq!(builder.finish().unwrap_err().kind(), ErrorKind::Shape);
}

#[cfg(feature = "weights")]
mod files {
    use super::*;
    use kuramoto::weights::{Stored, StoredType, Weights};

    #[test]
    fn parameters_survive_a_file() -> Result<()> {
        let parameters = small_classifier()?.parameters(5)?;
        let saved = parameters.save()?;
        // The transition stands under both of its names.
        assert_eq!(saved.get("layers.1.0.0.weight"), saved.get("layers.1.0.1.weight"));
        let mut again = small_classifier()?.parameters(6)?;
        assert_ne!(again, parameters);
        again.load(&Weights::from_bytes(&saved.to_bytes()?)?)?;
        assert_eq!(again.save()?, saved);
        // Stored in f16, they are widened.
        let mut rounded = small_classifier()?.parameters(6)?;
        rounded.load(&saved.cast(StoredType::F16)?)?;
        for (a, b) in rounded.iter().zip(parameters.iter()) {
            for (a, b) in a.values.iter().zip(&b.values) {
                assert!((a - b).abs() <= b.abs() * f32::powi(2.0, -11) + f32::powi(2.0, -25), "{a} {b}");
            }
        }
        Ok(())
    }

    #[test]
    fn what_published_files_carry_is_kept_and_written_back() -> Result<()> {
        let net = small_sudoku()?;
        let mut published = Weights::new();
        for (name, stored) in net.parameters(2)?.save()?.iter() {
            published.insert(format!("ema_model.{name}"), stored.clone())?;
            published.insert(format!("online_model.{name}"), stored.clone())?;
        }
        published.insert("ema_model.x0", Stored::from_f32(&[0.25; 128], &[1, 8, 4, 4])?)?;
        published.insert("initted", Stored::from_i64(&[1], &[])?)?;
        published.insert("step", Stored::from_i64(&[1000], &[])?)?;
        let mut parameters = net.parameters(3)?;
        parameters.load(&published)?;
        assert_eq!(parameters.get("gamma"), net.parameters(2)?.get("gamma"));
        assert_eq!(parameters.save()?, published);

        let classifier = small_classifier()?;
        let mut published = classifier.parameters(0)?.save()?;
        published.insert("layers.0.3.2.fn.0.num_batches_tracked", Stored::from_i64(&[77], &[])?)?;
        let mut parameters = classifier.parameters(1)?;
        parameters.load(&published)?;
        assert_eq!(parameters.save()?, published);
        Ok(())
    }

    #[test]
    fn files_of_another_model_are_refused_by_name() -> Result<()> {
        let net = small_classifier()?;
        let good = net.parameters(0)?.save()?;
        let mut parameters = net.parameters(1)?;
        let untouched = parameters.clone();
        let mut refuse = |weights: &Weights, words: &[&str]| {
            let error = parameters.load(weights).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::File);
            for word in words {
                assert!(error.to_string().contains(word), "{error} lacks {word}");
            }
            assert_eq!(parameters, untouched);
        };
        let mut missing = good.clone();
        missing.remove("out.bias");
        refuse(&missing, &["out.bias", "missing"]);
        let mut surplus = good.clone();
        surplus.insert("layers.9.weight", Stored::from_f32(&[1.0], &[1])?)?;
        refuse(&surplus, &["layers.9.weight", "surplus"]);
        let mut misshapen = good.clone();
        misshapen.insert("out.bias", Stored::from_f32(&[1.0; 4], &[4])?)?;
        refuse(&misshapen, &["out.bias", "[4]", "[3]"]);
        let mut different = good.clone();
        different.insert("layers.1.0.1.bias", Stored::from_f32(&[7.0; 8], &[8])?)?;
        refuse(&different, &["layers.1.0.1.bias", "layers.1.0.0.bias"]);
        Ok(())
    }
}

#[cfg(feature = "gpu")]
mod device {
    use super::*;

    #[test]
    fn the_device_trains_as_the_reference_does_and_never_waits() -> Result<()> {
        let context = common::sibling(&common::device());
        let (losses, parameters, average) = train(|| Tape::new(&context), 6)?;
        let (wanted, wanted_parameters, wanted_average) = train(Tape::reference, 6)?;
        for (got, wanted) in losses.iter().zip(&wanted) {
            // Adam turns gradients near zero into whole steps of 1e-2, so rounding of f32 shows in the third digit at worst.
            assert!((got - wanted).abs() < 1e-2 * wanted, "{losses:?} {wanted:?}");
        }
        for (got, wanted) in [(parameters, wanted_parameters), (average, wanted_average)] {
            let (mut off, mut size) = (0.0f64, 0.0f64);
            for (got, wanted) in got.iter().zip(wanted.iter()) {
                for (got, wanted) in got.values.iter().zip(&wanted.values) {
                    off += f64::from(got - wanted).powi(2);
                    size += f64::from(*wanted).powi(2);
                }
            }
            assert!(off < 1e-6 * size, "off by {:e}", (off / size).sqrt());
        }
        Ok(())
    }

    /// A parameter's name and gradient.
    type Named = (String, Vec<f64>);

    /// Loss and gradients of one board, with parameters of either storage type.
    fn gradients(context: &kuramoto::Context, dtype: DType) -> Result<(f64, Vec<Named>)> {
        let net = small_sudoku()?;
        let placed = net.parameters(1)?.place(&mut Tape::new(context))?;
        let mut tape = Tape::new(context);
        let bound = placed.bind(&mut tape);
        let cast = bound.cast(&mut tape, dtype, |name| name != "gamma" && !name.contains("omg"))?;
        let noise = gaussian(&mut tape, &net.noise_shape(1), 0)?;
        let noise = tape.cast(noise, dtype)?;
        let solved = net.forward(&mut tape, &cast, &PUZZLE, noise, &Run::new(3))?;
        let loss = net.loss(&mut tape, &solved, &SOLUTION)?;
        let found = tape.backward(loss)?;
        let mut all = Vec::new();
        for (name, var) in bound.iter() {
            if let Some(gradient) = found.get(var).cloned() {
                assert_eq!(gradient.spec().dtype, DType::F32, "{name}");
                all.push((name.to_owned(), tape.backend().read(&gradient)?));
            }
        }
        all.sort_by(|a, b| a.0.cmp(&b.0));
        Ok((tape.read(loss)?[0], all))
    }

    #[test]
    fn operands_of_half_the_bits_leave_gradients_in_f32_and_near() -> Result<()> {
        let context = common::device();
        assert!(context.has_f16(), "every adapter that CI has stores f16");
        let ((loss, all), (wanted_loss, wanted)) = (gradients(&context, DType::F16)?, gradients(&context, DType::F32)?);
        assert!((loss - wanted_loss).abs() < 1e-2 * wanted_loss, "{loss} {wanted_loss}");
        assert_ne!(loss, wanted_loss, "nothing was cast");
        assert!(all.len() > 10 && all.len() == wanted.len());
        for ((name, got), (_, wanted)) in all.iter().zip(&wanted) {
            let (mut off, mut size) = (0.0, 0.0);
            for (got, wanted) in got.iter().zip(wanted) {
                off += (got - wanted).powi(2);
                size += wanted.powi(2);
            }
            // f16 keeps 11 bits; three steps and as many layers multiply what is lost.
            assert!(off <= 0.05f64.powi(2) * size, "{name}: off by {:e} of {:e}", off.sqrt(), size.sqrt());
        }
        Ok(())
    }

    #[test]
    fn no_training_step_waits_for_the_device() -> Result<()> {
        let context = common::sibling(&common::device());
        let net = small_sudoku()?;
        let options = TrainerOptions::new(AdamOptions::new(1e-3).clip(1.0)).average(WarmUp::new(2, 0.9));
        let mut trainer = Trainer::new(&mut Tape::new(&context), &net.parameters(1)?, options)?;
        let mut allocations = Vec::new();
        for step in 0..8 {
            let mut tape = Tape::new(&context);
            let bound = trainer.bind(&mut tape)?;
            let noise = gaussian(&mut tape, &net.noise_shape(1), step)?;
            let solved = net.forward(&mut tape, &bound, &PUZZLE, noise, &Run::new(4).storage(Storage::Every(2)))?;
            let loss = net.loss(&mut tape, &solved, &SOLUTION)?;
            let gradients = tape.backward(loss)?;
            trainer.step(&mut tape, &bound, &gradients, &[])?;
            tape.submit()?;
            drop((tape, gradients));
            allocations.push(context.counters().allocations);
        }
        assert_eq!(context.counters().readbacks, 0);
        assert_eq!(allocations[3], allocations[7], "a steady step allocates nothing: {allocations:?}");
        Ok(())
    }

    /// The largest number of bytes in tensors while a layer of `steps` steps is differentiated, counted in states, less
    /// what lies there before.
    fn peak(steps: usize, storage: Storage) -> Result<f64> {
        let context = common::sibling(&common::device());
        let shape = [2, 16, 16, 16];
        let config = LayerConfig::new(16, 4, Coupling::Conv2d { kernel: 1 });
        let layer = KuramotoLayer::new(config, "")?;
        let mut builder = Builder::new(0);
        layer.parameters(&mut builder)?;
        builder.add("gamma", &[1], Role::Learned, Initial::Constant(0.5));
        let mut tape = Tape::new(&context);
        let placed = builder.finish()?.place(&mut tape)?;
        let bound = placed.bind(&mut tape);
        let (x, c) = (gaussian(&mut tape, &shape, 0)?, gaussian(&mut tape, &shape, 1)?);
        let (x, c) = (tape.value(x)?.clone(), tape.value(c)?.clone());
        let (x, c) = (tape.leaf(x), tape.leaf(c));
        let before = context.counters().live_bytes;
        let run = Run::new(steps).storage(storage);
        let found = layer.forward(&mut tape, &bound, x, c, bound.get("gamma")?, &run)?;
        let loss = tape.dot(found.state, c)?;
        let gradients = tape.backward(loss)?;
        assert!(gradients.get(x).is_some());
        tape.submit()?;
        let state: usize = 4 * shape.iter().product::<usize>();
        Ok((context.counters().peak_live_bytes - before) as f64 / state as f64)
    }

    /// The formulas of `KuramotoLayer::forward`.
    #[test]
    fn memory_of_a_layer_is_what_the_documentation_says() -> Result<()> {
        for (steps, storage, wanted) in [
            (64, Storage::Everything, 2.0 * 64.0 + 6.0),
            (64, Storage::Every(1), 64.0 + 2.0 + 8.0),
            (64, Storage::Every(5), 13.0 + 10.0 + 8.0),
            (64, Storage::balanced(64), 8.0 + 16.0 + 8.0),
            (64, Storage::Every(16), 4.0 + 32.0 + 8.0),
        ] {
            let states = peak(steps, storage)?;
            println!("{steps} steps, {storage:?}: {states:.2} states, {wanted} by the formula");
            assert!((states / wanted - 1.0).abs() < 0.1, "{steps} steps, {storage:?}: {states} states, not {wanted}");
        }
        Ok(())
    }
}
