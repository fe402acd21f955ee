//! AKOrN's networks at sizes that no golden file has: the device against the f64 reference, by the golden files' rule.
#![cfg(feature = "gpu")]

mod common;

use kuramoto::model::akorn::{
    Classifier, ClassifierConfig, ClassifierMode, Coupling, DriveNorm, Itrsa, ItrsaConfig, KuramotoLayer, LayerConfig,
    ObjectConfig, ObjectCoupling, ObjectNet, Run, Sudoku, SudokuConfig,
};
use kuramoto::model::{Bound, Builder, Parameters};
use kuramoto::{DType, Distribution, Result, Rotation, Storage, Stream, Tape, Value, Var};

/// Outputs by name and the parameters' gradients.
type Found = Vec<(String, Vec<f64>)>;

/// A state or an image, the same on both backends: the host's noise, rounded to f32.
fn input(tape: &mut Tape, shape: &[usize], stream: u32, distribution: Distribution) -> Result<Var> {
    let mut host = Tape::reference();
    let noise = host.noise(Stream { seed: 5, first_sample: 0, step: 0, stream }, distribution, shape, DType::F32)?;
    let data: Vec<f32> = host.read(noise)?.into_iter().map(|v| v as f32).collect();
    let value = tape.upload(&data, shape, DType::F32)?;
    Ok(tape.leaf(value))
}

/// Runs `forward` and differentiates the inner product of its outputs with fixed numbers.
fn run(
    tape: &mut Tape,
    parameters: &Parameters,
    forward: &dyn Fn(&mut Tape, &Bound) -> Result<Vec<Var>>,
) -> Result<(Found, Found)> {
    let bound = parameters.place(tape)?.bind(tape);
    let outputs = forward(tape, &bound)?;
    let (mut values, mut seeds): (Found, Vec<(Var, Value)>) = (vec![], vec![]);
    for (i, var) in outputs.iter().enumerate() {
        let spec = tape.spec(*var)?;
        let data: Vec<f32> = (0..spec.len()).map(|e| ((e * 7 + i) % 11) as f32 / 5.0 - 1.0).collect();
        seeds.push((*var, tape.upload(&data, &spec.shape, spec.dtype)?));
        values.push((format!("output {i}"), tape.read(*var)?));
    }
    let grads = tape.vjp(&seeds)?;
    let mut names: Vec<(String, Var)> = bound.iter().map(|(name, var)| (name.to_owned(), var)).collect();
    names.sort_by(|a, b| a.0.cmp(&b.0));
    let mut gradients = vec![];
    for (name, var) in names {
        if grads.get(var).is_some() {
            gradients.push((name, grads.read(tape, var)?));
        }
    }
    Ok((values, gradients))
}

fn rms(values: &[f64]) -> f64 {
    (values.iter().map(|v| v * v).sum::<f64>() / values.len().max(1) as f64).sqrt()
}

/// Every array within `allowed`: RMS of the error over that of the array, or a twentieth of the median array's.
fn compare(name: &str, got: &Found, wanted: &Found, allowed: f64) {
    assert_eq!(got.iter().map(|g| &g.0).collect::<Vec<_>>(), wanted.iter().map(|w| &w.0).collect::<Vec<_>>(), "{name}");
    let mut sizes: Vec<f64> = wanted.iter().map(|(_, w)| rms(w)).collect();
    sizes.sort_by(f64::total_cmp);
    let least = 0.05 * sizes[sizes.len() / 2];
    for ((what, got), (_, wanted)) in got.iter().zip(wanted) {
        let error: Vec<f64> = got.iter().zip(wanted).map(|(g, w)| g - w).collect();
        let error = rms(&error) / rms(wanted).max(least);
        assert!(error <= allowed, "{name}: {what} is off by {error:e}");
    }
}

fn check(name: &str, parameters: &Parameters, forward: &dyn Fn(&mut Tape, &Bound) -> Result<Vec<Var>>) -> Result<()> {
    let wanted = run(&mut Tape::reference(), parameters, forward)?;
    let got = run(&mut Tape::new(&common::device()), parameters, forward)?;
    compare(name, &got.0, &wanted.0, 2e-5);
    compare(name, &got.1, &wanted.1, 2e-4);
    Ok(())
}

#[test]
fn layers_of_many_shapes() -> Result<()> {
    let conv = |kernel| Coupling::Conv2d { kernel };
    let attention = |heads, positions, causal| Coupling::Attention { heads, positions, causal };
    let base = |channels, n, coupling| LayerConfig::new(channels, n, coupling);
    for (name, config, shape, steps, storage) in [
        ("n 3", LayerConfig { rotation: Rotation::None, ..base(6, 3, conv(3)) }, [2, 6, 4, 7], 5, Storage::Everything),
        (
            "n 8, T 24",
            LayerConfig { rotation: Rotation::Identity, ..base(16, 8, conv(1)) },
            [1, 16, 3, 2],
            24,
            Storage::balanced(24),
        ),
        (
            "n 16, kernel 7",
            LayerConfig { drive_norm: DriveNorm::Group, ..base(16, 16, conv(7)) },
            [1, 16, 5, 3],
            3,
            Storage::Every(2),
        ),
        (
            "n 6, per pair",
            LayerConfig { rotation: Rotation::PerPair, ..base(12, 6, conv(3)) },
            [1, 12, 3, 3],
            4,
            Storage::Every(3),
        ),
        ("head size 6", base(12, 4, attention(2, Some([2, 5]), false)), [2, 12, 2, 5], 3, Storage::Everything),
        ("head size 10, causal", base(20, 2, attention(2, Some([3, 2]), true)), [1, 20, 3, 2], 3, Storage::Everything),
        ("one head of 36", base(36, 4, attention(1, None, false)), [1, 36, 3, 3], 2, Storage::Everything),
        ("another grid", base(8, 2, attention(2, Some([2, 3]), false)), [1, 8, 5, 4], 3, Storage::Everything),
        ("dense", base(12, 4, Coupling::Dense { symmetric: true }), [3, 12, 1, 1], 8, Storage::Everything),
    ] {
        let dense = matches!(config.coupling, Coupling::Dense { .. });
        let layer = KuramotoLayer::new(config, "")?;
        let mut builder = Builder::new(3);
        layer.parameters(&mut builder)?;
        let shape = if dense { vec![shape[0], shape[1]] } else { shape.to_vec() };
        check(name, &builder.finish()?, &|tape, bound| {
            let (x, c) =
                (input(tape, &shape, 0, Distribution::Gaussian)?, input(tape, &shape, 1, Distribution::Gaussian)?);
            let gamma = tape.upload(&[0.4f32], &[1], DType::F32)?;
            let gamma = tape.leaf(gamma);
            let run = Run::new(steps).storage(storage);
            let found = layer.forward(tape, bound, x, c, gamma, &run)?;
            Ok(vec![found.state, found.energies[steps - 1]])
        })?;
    }
    Ok(())
}

#[test]
fn networks_of_other_sizes() -> Result<()> {
    let sudoku = Sudoku::new(SudokuConfig {
        side: 4,
        channels: 24,
        heads: 4,
        layers: 3,
        nonlinear: false,
        ..Default::default()
    })?;
    let puzzle = [1, 0, 0, 4, 0, 4, 1, 0, 0, 1, 4, 0, 4, 0, 0, 1];
    check("sudoku of three layers", &sudoku.parameters(1)?, &|tape, bound| {
        let noise = input(tape, &sudoku.noise_shape(1), 0, Distribution::Gaussian)?;
        Ok(vec![sudoku.forward(tape, bound, &puzzle, noise, &Run::new(5))?.logits])
    })?;
    let itrsa = Itrsa::new(ItrsaConfig { side: 4, channels: 24, heads: 4, blocks: 2 })?;
    check("iterated self-attention of two blocks", &itrsa.parameters(1)?, &|tape, bound| {
        Ok(vec![itrsa.forward(tape, bound, &puzzle, &Run::new(3))?])
    })?;
    let config = ObjectConfig {
        image: 12,
        patch: 3,
        channels: 12,
        n: 2,
        layers: 1,
        coupling: ObjectCoupling::Conv2d { kernel: 3 },
        rotation: Rotation::PerPair,
        ..Default::default()
    };
    let objects = ObjectNet::new(config)?;
    check("objects by convolution", &objects.parameters(1)?, &|tape, bound| {
        let image = input(tape, &[2, 3, 12, 12], 1, Distribution::Uniform)?;
        let noise = input(tape, &objects.noise_shape(2), 0, Distribution::Gaussian)?;
        let found = objects.forward(tape, bound, image, noise, &Run::new(4))?;
        Ok(vec![found.embedding, found.features])
    })?;
    let config = ClassifierConfig {
        colours: 1,
        classes: 4,
        channels: 6,
        n: 3,
        kernels: vec![5],
        rotation: Rotation::Identity,
        ..Default::default()
    };
    let classifier = Classifier::new(config)?;
    check("a classifier of one layer", &classifier.parameters(1)?, &|tape, bound| {
        let image = input(tape, &[3, 1, 7, 5], 1, Distribution::Uniform)?;
        let noise = input(tape, &classifier.noise_shape(3, 7, 5), 0, Distribution::Gaussian)?;
        Ok(vec![classifier.forward(tape, bound, image, noise, &Run::new(3), ClassifierMode::Evaluate)?.logits])
    })
}
