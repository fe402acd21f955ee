//! What must hold for whole layers: symmetries of the couplings, independence of the batch, composition in time, and the
//! places where a norm is zero.
#![cfg(feature = "gpu")]

mod common;

use common::{device, error_of, numbers, sibling, unit};
use kuramoto::model::akorn::{Coupling, DriveNorm, KuramotoLayer, LayerConfig, Readout, Run, Sudoku, SudokuConfig};
use kuramoto::model::{Bound, Builder, Parameters};
use kuramoto::{DType, ErrorKind, Graph, Result, Rotation, Tape, Var};

/// The unit roundoff that WGSL allows: results may go to either neighbour.
const U: f64 = 1.1920928955078125e-7;

fn put<T: Copy + Into<f64>>(tape: &mut Tape, data: &[T], shape: &[usize]) -> Result<Var> {
    let value = tape.upload(data, shape, DType::F32)?;
    Ok(tape.leaf(value))
}

fn apart(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).fold(0.0, |m, (a, b)| (a - b).abs().max(m))
}

fn finite(values: &[f64]) -> bool {
    values.iter().all(|v| v.is_finite())
}

type Model = (KuramotoLayer, Parameters);

fn model(config: LayerConfig) -> Result<Model> {
    let layer = KuramotoLayer::new(config, "")?;
    let mut builder = Builder::new(5);
    layer.parameters(&mut builder)?;
    Ok((layer, builder.finish()?))
}

/// The last state after `steps` steps and every variable that wants a gradient, by name.
fn run<T: Copy + Into<f64>>(
    tape: &mut Tape,
    (layer, parameters): &Model,
    (x, c, shape): (&[T], &[T], &[usize]),
    gamma: f64,
    steps: usize,
) -> Result<(Var, Vec<(String, Var)>)> {
    let bound = parameters.place(tape)?.bind(tape);
    let (x, c, gamma) = (put(tape, x, shape)?, put(tape, c, shape)?, put(tape, &[gamma], &[1])?);
    let trajectory = layer.forward(tape, &bound, x, c, gamma, &Run::new(steps))?;
    let mut leaves: Vec<(String, Var)> = bound.iter().map(|(name, var)| (name.to_string(), var)).collect();
    leaves.extend([("x", x), ("c", c), ("gamma", gamma)].map(|(name, var)| (name.to_string(), var)));
    Ok((trajectory.state, leaves))
}

/// The last state, read.
fn state<T: Copy + Into<f64>>(
    tape: &mut Tape,
    model: &Model,
    input: (&[T], &[T], &[usize]),
    gamma: f64,
    steps: usize,
) -> Result<Vec<f64>> {
    let (state, _) = run(tape, model, input, gamma, steps)?;
    tape.read(state)
}

/// Gradients by name for a random cotangent of `output`.
fn gradients(tape: &mut Tape, output: Var, leaves: &[(String, Var)]) -> Result<Vec<(String, Vec<f64>)>> {
    let spec = tape.spec(output)?;
    let seed = tape.upload(&numbers(99, spec.len()), &spec.shape, spec.dtype)?;
    let grads = tape.vjp(&[(output, seed)])?;
    leaves.iter().map(|(name, var)| Ok((name.clone(), grads.read(tape, *var)?))).collect()
}

/// The reference backend and the device.
fn tapes() -> [Tape; 2] {
    [Tape::reference(), Tape::new(&device())]
}

/// One layer of each coupling, with the extents of a sample.
fn layers() -> Result<Vec<(Model, Vec<usize>)>> {
    let graph = Graph::from_edges(4, &[(0, 1), (0, 3), (1, 0), (2, 1), (2, 2), (3, 0)])?;
    let attention = Coupling::Attention { heads: 2, positions: Some([2, 3]), causal: true };
    let list = [
        (DriveNorm::Group, Rotation::Global, Coupling::Conv2d { kernel: 3 }, vec![8, 5, 6]),
        (DriveNorm::ScaleBias, Rotation::PerPair, attention, vec![8, 3, 4]),
        (DriveNorm::None, Rotation::Identity, Coupling::Dense { symmetric: true }, vec![8]),
        (DriveNorm::None, Rotation::None, Coupling::Sparse { graph, blocks: true }, vec![8]),
    ];
    let make = |(drive_norm, rotation, coupling, shape)| {
        Ok((model(LayerConfig { drive_norm, rotation, ..LayerConfig::new(8, 2, coupling) })?, shape))
    };
    list.into_iter().map(make).collect()
}

/// Asserts that each sample of a batch has the bits that it has alone. `of` returns results with a first axis of samples.
fn independent(what: &str, of: impl Fn(&[u64]) -> Result<Vec<Vec<f64>>>) -> Result<()> {
    let alone = of(&[2])?;
    assert!(alone.iter().all(|a| finite(a) && a.iter().any(|v| *v != 0.0)), "{what}: a result is trivial");
    for (seeds, at) in [(&[1, 2, 3][..], 1), (&[4, 5, 6, 7, 2], 4)] {
        for (i, (alone, all)) in alone.iter().zip(of(seeds)?).enumerate() {
            assert_eq!(all.len(), seeds.len() * alone.len());
            let part = &all[at * alone.len()..][..alone.len()];
            // Both came from f32: equal bits of f64 are equal bits of f32. Kernels do not look at the batch, so nothing
            // is allowed.
            let same = alone.iter().zip(part).all(|(a, b)| a.to_bits() == b.to_bits());
            assert!(same, "{what}: result {i} of sample {at} of {}, off by {:e}", seeds.len(), apart(alone, part));
        }
        assert!(at == 0 || of(seeds)?[0][..alone[0].len()] != alone[0], "{what}: all samples are equal");
    }
    Ok(())
}

/// Reads `outputs` and the gradients of `inputs`, cotangents drawn per sample.
fn outcome(tape: &mut Tape, seeds: &[u64], outputs: &[Var], inputs: &[Var]) -> Result<Vec<Vec<f64>>> {
    let mut cotangents = Vec::new();
    for output in outputs {
        let spec = tape.spec(*output)?;
        let data: Vec<f32> = seeds.iter().flat_map(|seed| numbers(500 + seed, spec.len() / seeds.len())).collect();
        cotangents.push((*output, tape.upload(&data, &spec.shape, spec.dtype)?));
    }
    let grads = tape.vjp(&cotangents)?;
    let mut all = outputs.iter().map(|output| tape.read(*output)).collect::<Result<Vec<_>>>()?;
    for input in inputs {
        all.push(grads.read(tape, *input)?);
    }
    Ok(all)
}

#[test]
fn a_layer_gives_a_sample_the_same_bits_alone_and_in_a_batch() -> Result<()> {
    for ((layer, parameters), sample) in layers()? {
        independent(&format!("{:?}", layer.config().coupling), |seeds| {
            let tape = &mut Tape::new(&device());
            let len = sample.iter().product();
            let shape = [&[seeds.len()][..], &sample].concat();
            let data = |offset: u64| seeds.iter().flat_map(|s| numbers(offset + s, len)).collect::<Vec<f32>>();
            let bound = parameters.place(tape)?.bind(tape);
            let (x, c, gamma) = (put(tape, &data(0), &shape)?, put(tape, &data(50), &shape)?, put(tape, &[0.5], &[1])?);
            let done = layer.forward(tape, &bound, x, c, gamma, &Run::new(3).record())?;
            outcome(tape, seeds, &[&done.states[..], &done.energies].concat(), &[x, c])
        })?;
    }
    Ok(())
}

#[test]
fn the_sudoku_network_gives_a_board_the_same_bits_alone_and_in_a_batch() -> Result<()> {
    let network = Sudoku::new(SudokuConfig { side: 4, channels: 16, heads: 2, ..SudokuConfig::default() })?;
    let parameters = network.parameters(1)?;
    independent("Sudoku", |seeds| {
        let tape = &mut Tape::new(&device());
        let bound: Bound = parameters.place(tape)?.bind(tape);
        let boards: Vec<u32> = seeds
            .iter()
            .flat_map(|s| (0..16).map(move |i| if (i + s) % 3 == 0 { (i * s % 4) as u32 + 1 } else { 0 }))
            .collect();
        let noise: Vec<f32> = seeds.iter().flat_map(|s| numbers(20 + s, 256)).collect();
        let noise = put(tape, &noise, &network.noise_shape(seeds.len()))?;
        let solved = network.forward(tape, &bound, &boards, noise, &Run::new(4).record())?;
        let trajectory = &solved.trajectory;
        outcome(tape, seeds, &[&[solved.logits][..], &trajectory.states, &trajectory.energies].concat(), &[noise])
    })
}

#[test]
fn two_steps_and_then_three_are_five() -> Result<()> {
    let gamma = 0.0625;
    for (model, sample) in layers()? {
        let (len, shape) = (sample.iter().product::<usize>(), [&[1][..], &sample].concat());
        let (x, c) = (numbers(1, len), numbers(2, len));
        let wide = |v: &[f32]| v.iter().map(|v| f64::from(*v)).collect::<Vec<f64>>();
        for (mut tape, roundoff) in tapes().into_iter().zip([f64::EPSILON, U]) {
            let five = state(&mut tape, &model, (&x, &c, &shape), gamma, 5)?;
            let two = state(&mut tape, &model, (&x, &c, &shape), gamma, 2)?;
            let (two, c) = (&two[..], wide(&c));
            let split = state(&mut tape, &model, (two, &c, &shape), gamma, 3)?;
            // The second call normalises a state that is unit already: off by 9 roundings. A step magnifies that by
            // at most 1 + gamma (|J| + 2 |h|), with |J| and |h| of about 3 and 6 here (estimated from the initial
            // weights): by 2, three times.
            // Each step's own roundings, 27, may differ as well, and an oscillator has two components.
            let allowed = 2.0 * (9.0 * 8.0 + 27.0 * (4.0 + 2.0 + 1.0)) * roundoff;
            let coupling = &model.0.config().coupling;
            assert!(apart(&five, &split) <= allowed, "{coupling:?}: off by {:e}", apart(&five, &split));
            let four = state(&mut tape, &model, (two, &c, &shape), gamma, 2)?;
            assert!(apart(&five, &four) > 1e-3, "{coupling:?}: a step changes nothing");
        }
    }
    Ok(())
}

#[test]
fn a_convolutional_layer_commutes_with_shifts_as_far_from_the_border_as_it_reaches() -> Result<()> {
    let (channels, side, by) = (4, 14, [1, 2]);
    for (kernel, steps) in [(3, 2), (5, 2), (3, 4)] {
        let model = model(LayerConfig::new(channels, 2, Coupling::Conv2d { kernel }))?;
        let reach = steps * (kernel / 2);
        let wide = side + 2;
        // Two windows of one larger image.
        let window = |seed: u64, [down, right]: [usize; 2]| -> Vec<f32> {
            let all = numbers(seed, channels * wide * wide);
            let at = |i: usize| ((i / side / side * wide) + i / side % side + down) * wide + i % side + right;
            (0..channels * side * side).map(|i| all[at(i)]).collect()
        };
        let result = |at: [usize; 2]| {
            let (x, c) = (window(1, at), window(2, at));
            state(&mut Tape::reference(), &model, (&x, &c, &[1, channels, side, side]), 0.5, steps)
        };
        let (a, b) = (result([0, 0])?, result(by)?);
        let off = |r: usize, column: usize| {
            let at = |ch: usize, r: usize, column: usize| (ch * side + r) * side + column;
            let off = |ch: usize| a[at(ch, r + by[0], column + by[1])] - b[at(ch, r, column)];
            (0..channels).fold(0.0f64, |m, ch| m.max(off(ch).abs()))
        };
        for r in reach..side - reach - by[0] {
            for column in reach..side - reach - by[1] {
                // The same sums in the same order; padding adds nothing.
                assert!(off(r, column) <= 1e-12, "kernel {kernel}, {steps} steps, pixel {r}, {column}");
            }
        }
        // One pixel further out the border is felt in one window and not in the other.
        assert!(off(reach - 1, side / 2 - 1) > 1e-9, "kernel {kernel}, {steps} steps: the border reaches less far");
    }
    Ok(())
}

#[test]
fn attention_without_positions_does_not_know_the_order_of_positions() -> Result<()> {
    let (channels, tokens) = (8, 6);
    let order = [3, 0, 5, 1, 4, 2];
    let permuted = |v: &[f64]| (0..v.len()).map(|i| v[i / tokens * tokens + order[i % tokens]]).collect::<Vec<f64>>();
    for positions in [None, Some([2, 3])] {
        let coupling = Coupling::Attention { heads: 2, positions, causal: false };
        let model = model(LayerConfig::new(channels, 2, coupling))?;
        let [x, c] = [1, 2].map(|s| numbers(s, channels * tokens).into_iter().map(f64::from).collect::<Vec<f64>>());
        let run = |x: &[f64], c: &[f64]| state(&mut Tape::reference(), &model, (x, c, &[1, channels, 2, 3]), 0.5, 4);
        let off = apart(&permuted(&run(&x, &c)?), &run(&permuted(&x), &permuted(&c))?);
        match positions {
            // Sums over positions change their order: roundings of f64, magnified a few times in four steps.
            None => assert!(off <= 1e-12, "off by {off:e}"),
            Some(_) => assert!(off > 1e-4, "position matrices do nothing: {off:e}"),
        }
    }
    Ok(())
}

/// A dense layer of three oscillators of two components whose coupling is `alpha`.
fn scalar(alpha: f32, projection: bool) -> Result<Model> {
    let config = LayerConfig::new(6, 2, Coupling::Dense { symmetric: false });
    let (layer, mut parameters) = model(LayerConfig { projection, rotation: Rotation::None, ..config })?;
    let w: Vec<f32> = (0..36).map(|i| if i % 7 == 0 { alpha } else { 0.0 }).collect();
    parameters.set("connectivity.weight", &w)?;
    parameters.set("connectivity.bias", &[0.0; 6])?;
    Ok((layer, parameters))
}

#[test]
fn without_projection_a_step_can_end_at_zero_and_stays_finite_there() -> Result<()> {
    let (x, c, shape) = (unit(1, 3, 2, 1), [0.0; 6], [1, 6]);
    for mut tape in tapes() {
        for steps in [1, 3] {
            // y = -x / gamma: the argument of the normalisation is exactly zero, all products are by powers of two.
            let (end, leaves) = run(&mut tape, &scalar(-2.0, false)?, (&x, &c, &shape), 0.5, steps)?;
            assert_eq!(tape.read(end)?, [0.0; 6]);
            for (name, gradient) in gradients(&mut tape, end, &leaves)? {
                assert!(finite(&gradient), "{name}: {gradient:?}");
            }
            // With projection the clamp has nothing to act on: the argument is at least as long as the state.
            let end = state(&mut tape, &scalar(-2.0, true)?, (&x, &c, &shape), 0.5, steps)?;
            let x: Vec<f64> = x.iter().map(|v| f64::from(*v)).collect();
            // Ten roundings of a normalisation at the start and after each step, and 2 (1 - x . x) from the drive.
            assert!(apart(&end, &x) <= 20.0 * (steps + 1) as f64 * U, "{end:?}");
        }
    }
    // A checked context says so at the step that begins off the sphere, and not before.
    let context = sibling(&device()).checked();
    let mut tape = Tape::new(&context);
    state(&mut tape, &scalar(-2.0, false)?, (&x, &c, &shape), 0.5, 1)?;
    let second = state(&mut tape, &scalar(-2.0, false)?, (&x, &c, &shape), 0.5, 2);
    assert_eq!(error_of(second, "off the unit sphere").kind(), ErrorKind::NotUnit);
    Ok(())
}

#[test]
fn an_oscillator_of_zeros_takes_the_direction_of_its_drive_or_stays_zero() -> Result<()> {
    // The first oscillator is zero under a drive, the second zero without one, the third moves.
    let (x, c, shape) = ([0.0f32, 0.0, 0.0, 0.0, 1.0, 0.0], [3.0f32, 4.0, 0.0, 0.0, 0.5, 0.5], [1, 6]);
    for mut tape in tapes() {
        let (end, leaves) = run(&mut tape, &scalar(0.0, true)?, (&x, &c, &shape), 0.5, 1)?;
        let next = tape.read(end)?;
        // One normalisation.
        assert!(apart(&next[..2], &[0.6, 0.8]) <= 10.0 * U && next[2..4] == [0.0; 2], "{next:?}");
        for (name, gradient) in gradients(&mut tape, end, &leaves)? {
            assert!(finite(&gradient), "{name}: {gradient:?}");
        }
    }
    let context = sibling(&device()).checked();
    let refused = state(&mut Tape::new(&context), &scalar(0.0, true)?, (&x, &c, &shape), 0.5, 1);
    assert_eq!(error_of(refused, "off the unit sphere").kind(), ErrorKind::NotUnit);
    Ok(())
}

#[test]
fn frequencies_of_zero_have_gradient_zero_and_harm_nothing() -> Result<()> {
    let (x, c, shape) = (numbers(1, 60), numbers(2, 60), [1, 4, 3, 5]);
    for rotation in [Rotation::Global, Rotation::PerPair] {
        for initial_frequency in [0.0, 0.5] {
            let config = LayerConfig::new(4, 2, Coupling::Conv2d { kernel: 3 });
            let model = model(LayerConfig { rotation, initial_frequency, ..config })?;
            for mut tape in tapes() {
                let (end, leaves) = run(&mut tape, &model, (&x, &c, &shape), 0.5, 3)?;
                for (name, gradient) in gradients(&mut tape, end, &leaves)? {
                    let zero = gradient.iter().all(|v| *v == 0.0);
                    assert!(finite(&gradient), "{rotation:?} from {initial_frequency}: {name}: {gradient:?}");
                    let silent = name == "omg.omg_param" && initial_frequency == 0.0;
                    assert_eq!(zero, silent, "{rotation:?} from {initial_frequency}: {name}: {gradient:?}");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn a_readout_of_exact_zeros_is_its_bias_and_sends_nothing_back() -> Result<()> {
    let readout = Readout::new(4, 2, 3, 1, "")?;
    let mut builder = Builder::new(1);
    readout.parameters(&mut builder);
    let mut parameters = builder.finish()?;
    // The first output's three channels are zero for any state, the second output's are not.
    for (name, per_channel) in [("invconv.weight", 4), ("invconv.bias", 1)] {
        let mut values = parameters.get(name).map(|p| p.values.clone()).unwrap_or_default();
        values[..3 * per_channel].fill(0.0);
        parameters.set(name, &values)?;
    }
    parameters.set("bias", &[0.25, -0.5])?;
    for mut tape in tapes() {
        let bound = parameters.place(&mut tape)?.bind(&mut tape);
        let x = put(&mut tape, &unit(1, 2, 2, 6), &[1, 4, 2, 3])?;
        let out = readout.forward(&mut tape, &bound, x)?;
        let values = tape.read(out)?;
        assert!(values[..6].iter().all(|v| *v == 0.25) && values[6..].iter().all(|v| *v > -0.5), "{values:?}");
        let mut leaves: Vec<(String, Var)> = bound.iter().map(|(name, var)| (name.to_string(), var)).collect();
        leaves.push(("x".into(), x));
        for (name, gradient) in gradients(&mut tape, out, &leaves)? {
            assert!(finite(&gradient) && gradient.iter().any(|v| *v != 0.0), "{name}: {gradient:?}");
            let silent = [("invconv.weight", 12), ("invconv.bias", 3)].into_iter().find(|(n, _)| *n == name);
            assert!(gradient[..silent.map_or(0, |(_, len)| len)].iter().all(|v| *v == 0.0), "{name}: {gradient:?}");
        }
    }
    Ok(())
}
