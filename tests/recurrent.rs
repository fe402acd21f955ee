//! Laws of what runs in a loop: recurrences whose weights take turns, blocks with tied weights, the fast-slow cell.
#![cfg(feature = "gpu")]

mod common;

use common::{device, error_of, numbers, unit};
use kuramoto::model::akorn::Run;
use kuramoto::model::{
    Bound, Builder, FastSlow, FastSlowConfig, FastSlowStream, Injection, Looped, LoopedConfig, Mixing, Parameters,
    TimeMultiplexed, TimeMultiplexedConfig,
};
use kuramoto::{
    Activation, DType, Distribution, ErrorKind, Grads, RecurrenceOptions, Result, Rotation, Storage, Stream, Tape, Var,
};

/// Roundings of f64 in sums of a few dozen terms of order 1, over a few steps.
const TINY: f64 = 1e-12;

/// `numbers` of a size that keeps a recurrence of `n` nodes tame.
fn scaled(seed: u64, len: usize, n: usize) -> Vec<f64> {
    numbers(seed, len).into_iter().map(|v| f64::from(v) / n as f64).collect()
}

fn put<T: Copy + Into<f64>>(tape: &mut Tape, data: &[T], shape: &[usize]) -> Result<Var> {
    let value = tape.upload(data, shape, DType::F32)?;
    Ok(tape.leaf(value))
}

fn apart(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).fold(0.0, |m, (a, b)| (a - b).abs().max(m))
}

fn tapes() -> [Tape; 2] {
    [Tape::reference(), Tape::new(&device())]
}

/// Gradients of a random functional of `output`, in the same order as `leaves`.
fn gradients(tape: &mut Tape, output: Var, leaves: &[Var]) -> Result<Vec<Vec<f64>>> {
    let spec = tape.spec(output)?;
    let seed = tape.upload(&numbers(99, spec.len()), &spec.shape, spec.dtype)?;
    let grads: Grads = tape.vjp(&[(output, seed)])?;
    leaves.iter().map(|leaf| grads.read(tape, *leaf)).collect()
}

const B: usize = 3;
const N: usize = 5;

/// Drive of `steps` steps, state, banks, their biases and alpha.
struct Inputs {
    drive: Vec<f64>,
    state: Vec<f64>,
    w: Vec<f64>,
    bias: Vec<f64>,
}

const ALPHA: f64 = 0.625;

fn inputs(steps: usize, banks: usize) -> Inputs {
    Inputs {
        drive: scaled(1, B * steps * N, 1),
        state: scaled(2, B * N, 1),
        w: scaled(3, banks * N * N, 2),
        bias: scaled(4, banks * N, 1),
    }
}

/// The last state, and gradients of drive, state, weights, biases and alpha.
fn multiplexed(
    tape: &mut Tape,
    from: &Inputs,
    banks: usize,
    options: RecurrenceOptions,
) -> Result<(Vec<f64>, Vec<Vec<f64>>)> {
    let drive = put(tape, &from.drive, &[B, options.steps, N])?;
    let state = put(tape, &from.state, &[B, N])?;
    let w = put(tape, &from.w, &[banks, N, N])?;
    let bias = put(tape, &from.bias, &[banks, N])?;
    let alpha = put(tape, &[ALPHA], &[1])?;
    let out = tape.time_multiplexed(drive, state, w, bias, alpha, &options)?;
    let grads = gradients(tape, out, &[drive, state, w, bias, alpha])?;
    Ok((tape.read(out)?, grads))
}

/// The same by ops of the tape with a matrix of its own for each step: the last state, and gradients of the state and
/// of every step's weights and biases.
fn stacked(
    tape: &mut Tape,
    from: &Inputs,
    steps: usize,
    banks: usize,
    relu: bool,
) -> Result<(Vec<f64>, Vec<Vec<f64>>)> {
    let start = put(tape, &from.state, &[B, N])?;
    let (mut h, mut leaves) = (start, vec![start]);
    for t in 0..steps {
        let drive: Vec<f64> = (0..B).flat_map(|b| from.drive[(b * steps + t) * N..][..N].to_vec()).collect();
        let drive = put(tape, &drive, &[B, N])?;
        let w = put(tape, &from.w[t % banks * N * N..][..N * N], &[N, N])?;
        let bias = put(tape, &from.bias[t % banks * N..][..N], &[N])?;
        let mapped = tape.linear(h, w, Some(bias), 1)?;
        let mut f = tape.add(mapped, drive)?;
        if relu {
            f = tape.relu(f)?;
        }
        h = tape.axpy(ALPHA as f32, h, f)?;
        leaves.extend([w, bias]);
    }
    let grads = gradients(tape, h, &leaves)?;
    Ok((tape.read(h)?, grads))
}

#[test]
fn one_bank_is_a_recurrent_network() -> Result<()> {
    let steps = 6;
    let from = inputs(steps, 1);
    for activation in [Activation::Relu, Activation::Identity] {
        let options = RecurrenceOptions::new(steps).activation(activation);
        let (got, _) = multiplexed(&mut Tape::reference(), &from, 1, options)?;
        let (want, _) = stacked(&mut Tape::reference(), &from, steps, 1, activation == Activation::Relu)?;
        assert!(apart(&got, &want) <= TINY, "{activation:?}: {}", apart(&got, &want));
    }
    // tanh, in loops of its own.
    let (got, _) = multiplexed(&mut Tape::reference(), &from, 1, RecurrenceOptions::new(steps).every())?;
    for b in 0..B {
        let mut h = from.state[b * N..][..N].to_vec();
        for t in 0..steps {
            let next = |i: usize| {
                let sum: f64 = (0..N).map(|j| from.w[i * N + j] * h[j]).sum();
                ALPHA * h[i] + (from.drive[(b * steps + t) * N + i] + from.bias[i] + sum).tanh()
            };
            h = (0..N).map(next).collect();
            assert!(apart(&h, &got[(b * steps + t) * N..][..N]) <= TINY, "sample {b}, step {t}");
        }
    }
    Ok(())
}

#[test]
fn as_many_banks_as_steps_are_a_stack_and_fewer_sum_their_gradients() -> Result<()> {
    for (steps, banks) in [(4, 4), (7, 3), (5, 2), (4, 1)] {
        let from = inputs(steps, banks);
        let options = RecurrenceOptions::new(steps).activation(Activation::Relu);
        let (got, grads) = multiplexed(&mut Tape::reference(), &from, banks, options)?;
        let (want, layers) = stacked(&mut Tape::reference(), &from, steps, banks, true)?;
        assert!(apart(&got, &want) <= TINY, "{steps} steps, {banks} banks");
        assert!(apart(&grads[1], &layers[0]) <= TINY, "state");
        for (what, len) in [(0, N * N), (1, N)] {
            let mut sums = vec![0.0; banks * len];
            for t in 0..steps {
                let bank = &mut sums[t % banks * len..][..len];
                bank.iter_mut().zip(&layers[1 + 2 * t + what]).for_each(|(sum, g)| *sum += g);
            }
            assert!(apart(&grads[2 + what], &sums) <= 10.0 * TINY, "{steps} steps, {banks} banks, operand {what}");
            assert!(sums.iter().any(|v| v.abs() > 1e-3));
        }
    }
    Ok(())
}

#[test]
fn turning_the_banks_and_the_count_of_steps_together_changes_no_bit() -> Result<()> {
    let (steps, banks) = (7, 3);
    let from = inputs(steps, banks);
    for mut tape in tapes() {
        let options = RecurrenceOptions::new(steps).every();
        let (want, grads) = multiplexed(&mut tape, &from, banks, options)?;
        for by in 1..=banks {
            let turned = |data: &[f64]| {
                let len = data.len() / banks;
                let mut data = data.to_vec();
                data.rotate_right(by * len % (banks * len));
                data
            };
            let moved = Inputs { w: turned(&from.w), bias: turned(&from.bias), ..inputs(steps, banks) };
            let (got, turned_grads) = multiplexed(&mut tape, &moved, banks, options.first(by))?;
            assert_eq!(got, want, "turned by {by}");
            assert_eq!(turned_grads[2], turned(&grads[2]), "turned by {by}");
        }
        let (other, _) = multiplexed(&mut tape, &from, banks, options.first(1))?;
        assert!(apart(&other, &want) > 1e-3, "whose turn it is changes nothing");
    }
    Ok(())
}

fn built(parameters: impl FnOnce(&mut Builder) -> Result<()>) -> Result<Parameters> {
    let mut builder = Builder::new(7);
    parameters(&mut builder)?;
    builder.finish()
}

#[test]
fn a_sequence_in_chunks_is_the_sequence_whole() -> Result<()> {
    let layer = TimeMultiplexed::new(TimeMultiplexedConfig::new(3, N, 2), "rnn.")?;
    let parameters = built(|builder| {
        layer.parameters(builder);
        Ok(())
    })?;
    let (steps, cut) = (9, 5);
    let x = numbers(1, B * steps * 3);
    let part = |from: usize, to: usize| -> Vec<f32> {
        (0..B).flat_map(|b| x[(b * steps + from) * 3..(b * steps + to) * 3].to_vec()).collect()
    };
    for mut tape in tapes() {
        let bound = parameters.place(&mut tape)?.bind_constant(&mut tape);
        let whole = put(&mut tape, &x, &[B, steps, 3])?;
        let whole = layer.forward(&mut tape, &bound, whole, None, 0, steps)?;
        let whole = tape.read(whole)?;
        let rows = |b: usize, from: usize, to: usize| &whole[(b * steps + from) * N..(b * steps + to) * N];
        let first = put(&mut tape, &part(0, cut), &[B, cut, 3])?;
        let first = layer.forward(&mut tape, &bound, first, None, 0, cut)?;
        let first = tape.read(first)?;
        let state: Vec<f64> = (0..B).flat_map(|b| first[(b * cut + cut - 1) * N..][..N].to_vec()).collect();
        let state = put(&mut tape, &state, &[B, N])?;
        let second = put(&mut tape, &part(cut, steps), &[B, steps - cut, 3])?;
        let second = layer.forward(&mut tape, &bound, second, Some(state), cut, steps - cut)?;
        let second = tape.read(second)?;
        for b in 0..B {
            assert_eq!(&first[b * cut * N..][..cut * N], rows(b, 0, cut));
            assert_eq!(&second[b * (steps - cut) * N..][..(steps - cut) * N], rows(b, cut, steps));
        }
    }
    // An input that stays is the same input in every step.
    let mut tape = Tape::reference();
    let bound = parameters.place(&mut tape)?.bind_constant(&mut tape);
    let still = put(&mut tape, &x[..B * 3], &[B, 3])?;
    let still = layer.forward(&mut tape, &bound, still, None, 0, 4)?;
    let repeated: Vec<f32> = (0..B).flat_map(|b| x[b * 3..][..3].repeat(4)).collect();
    let repeated = put(&mut tape, &repeated, &[B, 4, 3])?;
    let repeated = layer.forward(&mut tape, &bound, repeated, None, 0, 4)?;
    assert_eq!(tape.read(still)?, tape.read(repeated)?);
    Ok(())
}

#[test]
fn what_does_not_fit_a_recurrence_is_refused() -> Result<()> {
    let mut tape = Tape::reference();
    let refused = |tape: &mut Tape, drive: &[usize], w: &[usize], steps: usize| -> Result<ErrorKind> {
        let nodes = w.get(1).copied().unwrap_or(1);
        let banks = w.first().copied().unwrap_or(1);
        let filled = |tape: &mut Tape, shape: &[usize]| tape.fill(0.0, shape, DType::F32);
        let drive = filled(tape, drive)?;
        let (w, state) = (filled(tape, w)?, filled(tape, &[2, nodes])?);
        let (bias, alpha) = (filled(tape, &[banks, nodes])?, filled(tape, &[1])?);
        let result = tape.time_multiplexed(drive, state, w, bias, alpha, &RecurrenceOptions::new(steps));
        Ok(error_of(result, "time_multiplexed: ").kind())
    };
    assert_eq!(refused(&mut tape, &[2, 1, 3], &[1, 3, 3], 0)?, ErrorKind::Param);
    assert_eq!(refused(&mut tape, &[2, 1, 257], &[1, 257, 257], 2)?, ErrorKind::Limit);
    for (drive, w) in [
        (&[2, 3, 3][..], &[1, 3, 3][..]),
        (&[2, 1, 4], &[1, 3, 3]),
        (&[2, 3], &[1, 3, 3]),
        (&[2, 1, 3], &[3, 3]),
        (&[2, 1, 3], &[1, 3, 4]),
        (&[2, 1, 3], &[0, 3, 3]),
        (&[3, 1, 3], &[1, 3, 3]),
    ] {
        assert_eq!(refused(&mut tape, drive, w, 2)?, ErrorKind::Shape, "{drive:?} {w:?}");
    }
    let config = TimeMultiplexedConfig::new(2, 3, 1);
    for (wrong, kind) in [
        (TimeMultiplexedConfig { nodes: 300, ..config.clone() }, ErrorKind::Limit),
        (TimeMultiplexedConfig { banks: 0, ..config.clone() }, ErrorKind::Param),
        (TimeMultiplexedConfig { initial_alpha: f32::NAN, ..config }, ErrorKind::Param),
    ] {
        assert_eq!(TimeMultiplexed::new(wrong, "").unwrap_err().kind(), kind);
    }
    let cell = FastSlowConfig::new(8, 4, Mixing::Attention { heads: 2, grid: [1, 3] });
    for wrong in [
        FastSlowConfig { n: 3, ..cell.clone() },
        FastSlowConfig { hidden: 0, ..cell.clone() },
        FastSlowConfig { mixing: Mixing::Attention { heads: 8, grid: [1, 3] }, ..cell.clone() },
        FastSlowConfig { mixing: Mixing::Attention { heads: 2, grid: [0, 3] }, ..cell.clone() },
        FastSlowConfig { channels: 9, n: 3, mixing: Mixing::Dense, ..cell },
    ] {
        assert_eq!(FastSlow::new(wrong, "").unwrap_err().kind(), ErrorKind::Param);
    }
    let no_axis = LoopedConfig { channels: 2, axis: 0, injection: Injection::Add };
    assert_eq!(Looped::new(no_axis, "").unwrap_err().kind(), ErrorKind::Param);
    Ok(())
}

#[test]
fn stacked_values_lie_side_by_side_and_get_their_own_cotangents_back() -> Result<()> {
    for mut tape in tapes() {
        let parts = [numbers(1, 128), numbers(2, 128), numbers(3, 128)];
        let vars: Vec<Var> = parts.iter().map(|part| put(&mut tape, part, &[2, 64])).collect::<Result<_>>()?;
        let all = tape.stack(&[vars[0], vars[1], vars[2], vars[0]])?;
        assert_eq!(tape.spec(all)?.shape, [4, 2, 64]);
        let want: Vec<f64> =
            [&parts[0][..], &parts[1], &parts[2], &parts[0]].concat().into_iter().map(f64::from).collect();
        assert_eq!(tape.read(all)?, want);
        let got = gradients(&mut tape, all, &vars)?;
        let seed: Vec<f64> = numbers(99, 512).into_iter().map(f64::from).collect();
        let twice: Vec<f64> = seed[..128].iter().zip(&seed[384..]).map(|(a, b)| a + b).collect();
        // Numbers with 11 bits: their sums are exact.
        assert_eq!(got, [&twice, &seed[128..256], &seed[256..384]]);
        let other = put(&mut tape, &parts[0], &[128])?;
        assert_eq!(error_of(tape.stack(&[vars[0], other]), "stack: a value").kind(), ErrorKind::Shape);
        assert_eq!(error_of(tape.stack(&[]), "stack: vars").kind(), ErrorKind::Shape);
    }
    let mut tape = Tape::new(&device());
    let odd = put(&mut tape, &[1.0f32, 2.0, 3.0], &[3])?;
    assert_eq!(error_of(tape.stack(&[odd, odd]), "first byte").kind(), ErrorKind::Buffer);
    Ok(())
}

const C: usize = 4;

/// `relu(w x)`, a block.
fn block(tape: &mut Tape, x: Var, shared: &[Var]) -> Result<Var> {
    let mapped = tape.linear(x, shared[0], None, 1)?;
    tape.relu(mapped)
}

#[test]
fn a_loop_with_tied_weights_is_as_many_layers_that_share_them() -> Result<()> {
    let rounds = 4;
    for injection in [Injection::Add, Injection::Linear, Injection::Decay] {
        let looped = Looped::new(LoopedConfig { channels: C, axis: 1, injection }, "loop.")?;
        let parameters = built(|builder| {
            looped.parameters(builder);
            Ok(())
        })?;
        let mut tape = Tape::reference();
        let bound = parameters.place(&mut tape)?.bind(&mut tape);
        let [x, e] = [put(&mut tape, &numbers(1, B * C), &[B, C])?, put(&mut tape, &numbers(2, B * C), &[B, C])?];
        let weights = numbers(3, C * C);
        let w = put(&mut tape, &weights, &[C, C])?;
        let mut names: Vec<(&str, Var)> = bound.iter().collect();
        names.sort_by_key(|(name, _)| name.to_string());
        let own: Vec<Var> = names.iter().map(|(_, var)| *var).chain([x, e]).collect();
        let leaves: Vec<Var> = own.iter().copied().chain([w]).collect();
        let run = Run::new(rounds).record();
        let tied = looped.forward(&mut tape, &bound, [x, e], &[w], &run, block)?;
        assert_eq!(tied.states.len(), rounds);
        let want = gradients(&mut tape, tied.state, &leaves)?;
        assert!(want.iter().all(|g| g.iter().any(|v| v.abs() > 1e-6)), "{injection:?}: a gradient is zero");

        // Layers that share values, with leaves of their own.
        let mut state = x;
        let mut untied = Vec::new();
        for round in 0..rounds {
            let w = put(&mut tape, &weights, &[C, C])?;
            untied.push(w);
            state = looped.forward(&mut tape, &bound, [state, e], &[w], &Run::new(1), block)?.state;
            let (got, want) = (tape.read(state)?, tape.read(tied.states[round])?);
            assert_eq!(got, want, "{injection:?}, round {round}");
        }
        let leaves: Vec<Var> = own.iter().copied().chain(untied).collect();
        let got = gradients(&mut tape, state, &leaves)?;
        for (i, (got, want)) in got.iter().zip(&want).take(own.len()).enumerate() {
            assert!(apart(got, want) <= TINY, "{injection:?}, leaf {i}");
        }
        let sum: Vec<f64> = (0..C * C).map(|k| got[own.len()..].iter().map(|g| g[k]).sum()).collect();
        assert!(apart(&sum, &want[own.len()]) <= TINY, "{injection:?}: the tied gradient is not the sum");

        // What is kept for the backward pass changes nothing.
        let leaves: Vec<Var> = own.iter().copied().chain([w]).collect();
        for every in [1, 3] {
            let run = Run::new(rounds).storage(Storage::Every(every));
            let again = looped.forward(&mut tape, &bound, [x, e], &[w], &run, block)?;
            assert_eq!(tape.read(again.state)?, tape.read(tied.state)?);
            for (got, want) in gradients(&mut tape, again.state, &leaves)?.iter().zip(&want) {
                assert!(apart(got, want) <= TINY, "{injection:?}, every {every}");
            }
        }
    }
    Ok(())
}

#[test]
fn a_decaying_injection_contracts_whatever_is_learned() -> Result<()> {
    let looped = Looped::new(LoopedConfig { channels: C, axis: 1, injection: Injection::Decay }, "")?;
    let mut parameters = built(|builder| {
        looped.parameters(builder);
        Ok(())
    })?;
    parameters.set("inject.log_rate", &[-4.0, 3.0, 0.0, -1.0])?;
    parameters.set("inject.raw_step", &[-3.0, 5.0, 0.5, -8.0])?;
    for mut tape in tapes() {
        let bound = parameters.place(&mut tape)?.bind_constant(&mut tape);
        let x = put(&mut tape, &[1.0f32; C], &[1, C])?;
        let e = put(&mut tape, &[0.0f32; C], &[1, C])?;
        let run = Run::new(20).record();
        let rounds = looped.forward(&mut tape, &bound, [x, e], &[], &run, |_, x, _| Ok(x))?;
        let mut before = vec![1.0; C];
        for state in rounds.states {
            let now = tape.read(state)?;
            // 0 once it underflows.
            assert!(now.iter().zip(&before).all(|(now, before)| now < before || *before == 0.0), "{now:?}");
            before = now;
        }
        // A channel on its own is a power of its factor: dt = ln(1 + e^-3), A = e^-4.
        let factor = f64::exp(-(f64::exp(-3.0).ln_1p()) * f64::exp(-4.0));
        assert!((before[0] - factor.powi(20)).abs() < 1e-5, "{} and {}", before[0], factor.powi(20));
    }
    Ok(())
}

fn cells() -> Vec<FastSlowConfig> {
    let attention = Mixing::Attention { heads: 2, grid: [1, 3] };
    vec![
        FastSlowConfig::new(8, 2, attention),
        FastSlowConfig { rotation: Rotation::PerPair, ..FastSlowConfig::new(8, 4, Mixing::Dense) },
        FastSlowConfig {
            rotation: Rotation::None,
            projection: false,
            initial_gamma: 0.5,
            ..FastSlowConfig::new(6, 3, Mixing::Dense)
        },
    ]
}

fn cell(config: FastSlowConfig) -> Result<(FastSlow, Parameters)> {
    let cell = FastSlow::new(config, "core.")?;
    let parameters = built(|builder| cell.parameters(builder))?;
    Ok((cell, parameters))
}

fn drives(tape: &mut Tape, cell: &FastSlow, batch: usize, count: usize) -> Result<Vec<Var>> {
    let shape = cell.shape(batch);
    let len = shape.iter().product();
    (0..count).map(|s| put(tape, &numbers(40 + s as u64, len), &shape)).collect()
}

const NOISE: Stream = Stream { seed: 11, first_sample: 0, step: 0, stream: 0 };

#[test]
fn a_stream_in_chunks_is_the_stream_whole_and_stays_on_the_spheres() -> Result<()> {
    let context = device();
    let make: [&dyn Fn() -> Tape; 2] = [&Tape::reference, &|| Tape::new(&context)];
    for config in cells() {
        let (cell, parameters) = cell(config)?;
        for new_tape in make {
            // A tape of its own for each chunk: the state alone goes on.
            let run = |chunks: &[usize]| -> Result<Vec<Vec<f64>>> {
                let mut tape = new_tape();
                let mut stream = FastSlowStream::new(&cell, &mut tape, 2, NOISE)?;
                tape.submit()?;
                let (mut states, mut done) = (Vec::new(), 0);
                for chunk in chunks {
                    let mut tape = new_tape();
                    let bound = parameters.place(&mut tape)?.bind(&mut tape);
                    let all = drives(&mut tape, &cell, 2, 5)?;
                    let found = stream.advance(&cell, &mut tape, &bound, &all[done..done + chunk], &Run::new(3))?;
                    for state in found {
                        states.push(tape.read(state)?);
                    }
                    done += chunk;
                }
                Ok(states)
            };
            let whole = run(&[5])?;
            for chunks in [&[1, 1, 1, 1, 1][..], &[2, 3], &[4, 1]] {
                assert!(run(chunks)? == whole, "{:?} in {chunks:?}: other bits", cell.config().mixing);
            }
            let n = cell.config().n;
            let shape = cell.shape(2);
            let inner: usize = shape[2..].iter().product();
            for state in &whole {
                for o in 0..state.len() / (n * inner) {
                    for i in 0..inner {
                        let square: f64 = (0..n).map(|k| state[(o * n + k) * inner + i].powi(2)).sum();
                        // As the op's law: 4 ulp.
                        assert!((square.sqrt() - 1.0).abs() <= 4.0 * f64::powi(2.0, -23), "norm {}", square.sqrt());
                    }
                }
            }
            assert!(apart(&whole[0], &whole[4]) > 1e-2, "the state does not move");
        }
    }
    Ok(())
}

#[test]
fn one_free_step_is_a_recurrent_network_with_a_normalised_state() -> Result<()> {
    let config = FastSlowConfig {
        rotation: Rotation::None,
        projection: false,
        initial_gamma: 0.5,
        ..FastSlowConfig::new(4, 2, Mixing::Dense)
    };
    let (cell, parameters) = cell(config)?;
    let values = |name: &str| -> Vec<f64> {
        let found = parameters.get(&format!("core.{name}")).expect("a parameter of the cell");
        found.values.iter().map(|v| f64::from(*v)).collect()
    };
    let affine = |name: &str, x: &[f64]| -> Vec<f64> {
        let (w, b) = (values(&format!("{name}.weight")), values(&format!("{name}.bias")));
        b.iter()
            .enumerate()
            .map(|(i, b)| b + x.iter().zip(&w[i * x.len()..]).map(|(x, w)| x * w).sum::<f64>())
            .collect()
    };
    let mut tape = Tape::reference();
    let bound = parameters.place(&mut tape)?.bind_constant(&mut tape);
    let start = unit(3, 2, 2, 1);
    let mut x: Vec<f64> = start.iter().map(|v| f64::from(*v)).collect();
    let value = tape.upload(&start, &[1, 4], DType::F32)?;
    let mut stream = FastSlowStream::from_state(value);
    let observations = drives(&mut tape, &cell, 1, 4)?;
    let states = stream.advance(&cell, &mut tape, &bound, &observations, &Run::new(1))?;
    for (c, state) in observations.into_iter().zip(states) {
        let c = tape.read(c)?;
        let seen: Vec<f64> = x.iter().zip(&c).map(|(x, c)| x + c).collect();
        let inner: Vec<f64> = seen.iter().zip(affine("mixing", &seen)).map(|(a, b)| a + b).collect();
        let hidden: Vec<f64> = affine("mlp.0", &inner).into_iter().map(|v| v.max(0.0)).collect();
        let v: Vec<f64> = x.iter().zip(affine("mlp.2", &hidden)).map(|(x, j)| x + 0.5 * j).collect();
        x = v.chunks(2).flat_map(|v| v.iter().map(|c| c / v[0].hypot(v[1])).collect::<Vec<f64>>()).collect();
        assert!(apart(&x, &tape.read(state)?) <= TINY);
    }
    Ok(())
}

/// Gradients by name.
type Named = Vec<(String, Vec<f64>)>;

/// A functional of the states after two observations of two fast steps, and the gradients of all parameters, the start
/// and the drives.
fn unrolled(
    cell: &FastSlow,
    parameters: &Parameters,
    moved: &[(String, Vec<f64>)],
    storage: Storage,
) -> Result<(f64, Named)> {
    let mut tape = Tape::reference();
    let bound: Bound = parameters.place(&mut tape)?.bind(&mut tape);
    // Parameters and inputs as leaves of f64.
    let shape = cell.shape(2);
    let raw = tape.noise(NOISE, Distribution::Gaussian, &shape, DType::F32)?;
    let mut named: Vec<(String, Vec<f64>, Vec<usize>)> = vec![("start".into(), tape.read(raw)?, shape.clone())];
    for (s, drive) in drives(&mut tape, cell, 2, 2)?.into_iter().enumerate() {
        named.push((format!("drive {s}"), tape.read(drive)?, shape.clone()));
    }
    let mut leaves = Vec::new();
    for (name, mut data, shape) in named {
        if let Some((_, by)) = moved.iter().find(|(other, _)| *other == name) {
            data.iter_mut().zip(by).for_each(|(v, d)| *v += d);
        }
        leaves.push((name, put(&mut tape, &data, &shape)?));
    }
    let mut x = tape.sphere_normalize(leaves[0].1, 1, cell.config().n)?;
    let mut seeds = Vec::new();
    let mut value = 0.0;
    for s in 0..2 {
        x = cell.observe(&mut tape, &bound, x, leaves[1 + s].1, &Run::new(2).storage(storage))?.state;
        let weights = numbers(70 + s as u64, shape.iter().product());
        value += tape.read(x)?.iter().zip(&weights).map(|(x, w)| x * f64::from(*w)).sum::<f64>();
        seeds.push((x, tape.upload(&weights, &shape, DType::F32)?));
    }
    let grads = tape.vjp(&seeds)?;
    leaves.extend(bound.iter().map(|(name, var)| (name.to_string(), var)));
    let read = |(name, var): &(String, Var)| Ok((name.clone(), grads.read(&mut tape, *var)?));
    let grads = leaves.iter().map(read).collect::<Result<_>>()?;
    Ok((value, grads))
}

#[test]
fn gradients_of_a_short_unroll_agree_with_differences() -> Result<()> {
    for config in cells() {
        let (cell, parameters) = cell(config)?;
        let (_, grads) = unrolled(&cell, &parameters, &[], Storage::Everything)?;
        let (_, recomputed) = unrolled(&cell, &parameters, &[], Storage::Every(1))?;
        let find = |of: &[(String, Vec<f64>)], name: &str| of.iter().find(|(n, _)| n == name).map(|(_, g)| g.clone());
        for (at, (name, grad)) in grads.iter().enumerate() {
            assert!(apart(grad, &find(&recomputed, name).unwrap()) <= TINY, "{name}, recomputed");
            let direction = numbers(200 + at as u64, grad.len());
            // Parameters are stored in f32: the directional derivative is that of the displacements that arrive.
            let stored = parameters.get(name).map(|p| p.values.clone());
            let scale = f64::powi(2.0, -14);
            let along = |steps: f64| -> Result<(f64, Vec<f64>)> {
                let by: Vec<f64> = direction.iter().map(|d| steps * scale * f64::from(*d)).collect();
                match &stored {
                    None => {
                        Ok((unrolled(&cell, &parameters, &[(name.clone(), by.clone())], Storage::Everything)?.0, by))
                    }
                    Some(values) => {
                        let mut moved = parameters.clone();
                        let new: Vec<f32> = values.iter().zip(&by).map(|(v, d)| (f64::from(*v) + d) as f32).collect();
                        moved.set(name, &new)?;
                        let by = new.iter().zip(values).map(|(a, b)| f64::from(*a) - f64::from(*b)).collect();
                        Ok((unrolled(&cell, &moved, &[], Storage::Everything)?.0, by))
                    }
                }
            };
            let ((above, up), (below, down)) = (along(1.0)?, along(-1.0)?);
            let want: f64 = grad.iter().zip(up.iter().zip(&down)).map(|(g, (u, d))| g * (u - d)).sum();
            // Central differences are off by the square of the step, 4e-9, times a third derivative, relatively; parameters
            // are not displaced equally far to both sides, by 2^-25 of themselves or 5e-4 of the step.
            let off = (above - below - want).abs();
            let size = (above - below).abs().max(0.1 * scale);
            assert!(off <= 1e-6 * size, "{name}: {} by differences, {want} by gradients", above - below);
            assert!(grad.iter().any(|g| *g != 0.0), "{name} has no gradient");
        }
    }
    Ok(())
}
