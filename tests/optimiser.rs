//! Adam, clipping, moving averages and copies into arenas, against PyTorch's definitions evaluated in f64 elsewhere.
#![cfg(feature = "gpu")]

mod common;

use common::{bits, device, numbers, sibling};
use kuramoto::{AdamOptions, Context, DType, ErrorKind, Result, Tape, Tensor, WarmUp, warmup_decay};

fn refusal<T>(result: Result<T>) -> (ErrorKind, String) {
    let error = common::error_of(result, "a refusal");
    (error.kind(), error.to_string())
}

const P: [f64; 4] = [0.5, -1.25, 2.0, 0.0];
const G: [[f64; 4]; 3] = [[0.1, -0.2, 0.3, 0.0], [3.0, 4.0, 0.0, -12.0], [-0.05, 0.5, 0.25, 1.0]];

/// Parameters, first and second moments after the three gradients of `G`.
struct Expected {
    options: AdamOptions,
    state: [[f64; 4]; 3],
}

fn expected() -> Vec<Expected> {
    vec![
        Expected {
            options: AdamOptions::new(1e-3),
            state: [
                [0.49765254329488107, -1.250333361598678, 1.9975229995527521, 0.001264290872101479],
                [0.27309999999999995, 0.39379999999999993, 0.04929999999999999, -0.9799999999999999],
                [0.009003480010000009, 0.016273920040000014, 0.00015232009000000013, 0.14485600000000012],
            ],
        },
        Expected {
            options: AdamOptions { weight_decay: 0.1, ..AdamOptions::new(0.05) },
            state: [
                [0.3812840559696834, -1.2637352605019339, 1.8582682089925104, 0.06320400049695794],
                [0.2853119061387531, 0.3605321798821787, 0.10210264123177389, -0.9796279315886548],
                [0.009285286870603945, 0.01528656577420452, 0.0004815507449092053, 0.14486345521171728],
            ],
        },
        Expected {
            options: AdamOptions { beta1: 0.8, beta2: 0.95, eps: 1e-5, ..AdamOptions::decoupled(0.01, 0.3) },
            state: [
                [0.47192711468231296, -1.2425434678531502, 1.9576962899534083, 0.01280565884499565],
                [0.4827999999999999, 0.7143999999999998, 0.08839999999999998, -1.7199999999999998],
                [0.4280762500000003, 0.7743050000000007, 0.007186250000000006, 6.890000000000006],
            ],
        },
        Expected {
            options: AdamOptions::new(0.01).clip(1.0),
            state: [
                [0.47437133582345614, -1.2487669256461005, 1.975352977529188, 0.0072336922836018155],
                [0.024509025771906334, 0.05509433955904453, 0.04610101699845709, 0.004127151307437377],
                [6.50823226158243e-05, 0.00032461364397286187, 0.00013734852421670168, 0.001611673751421725],
            ],
        },
    ]
}

fn run(tape: &mut Tape, options: &AdamOptions, gradients: &[[f64; 4]]) -> Result<Vec<f64>> {
    let start: Vec<f64> = P.iter().copied().chain([0.0; 8]).collect();
    let mut state = tape.upload(&start, &[3, 4], DType::F32)?;
    for (i, g) in gradients.iter().enumerate() {
        let g = tape.upload(g, &[4], DType::F32)?;
        state = tape.adam(&state, &g, i as u32 + 1, options)?;
    }
    tape.backend().read(&state)
}

#[test]
fn three_steps_are_those_of_pytorch() -> Result<()> {
    for (i, Expected { options, state }) in expected().iter().enumerate() {
        for (mut tape, allowed) in [(Tape::reference(), 1e-14), (Tape::new(&device()), 1e-6)] {
            let found = run(&mut tape, options, &G)?;
            for (k, (got, want)) in found.iter().zip(state.concat()).enumerate() {
                // Second moments are sums of squares; the others are differences of terms of about a tenth.
                let size = if k < 8 { want.abs().max(0.1) } else { want.abs() };
                assert!((got - want).abs() <= allowed * size, "{i}, {k}: got {got:e}, expected {want:e}");
            }
        }
    }
    Ok(())
}

#[test]
fn the_first_step_is_the_learning_rate_against_the_gradients_sign() -> Result<()> {
    let g = [[1e-3, -7.0, 250.0, 0.0]];
    for mut tape in [Tape::reference(), Tape::new(&device())] {
        let found = run(&mut tape, &AdamOptions::new(0.125), &g)?;
        for (i, got) in found[..4].iter().enumerate() {
            let sign = if g[0][i] == 0.0 { 0.0 } else { g[0][i].signum() };
            let want = P[i] - 0.125 * sign;
            assert!((got - want).abs() <= 1e-5, "parameter {i}: got {got}, expected {want}");
        }
    }
    Ok(())
}

#[test]
fn clipping_scales_past_the_threshold_and_is_idle_below_it() -> Result<()> {
    let context = device();
    // The norm of 3, 4, 0, -12 is 13.
    for (max_norm, factor) in [(20.0, 1.0), (13.5, 1.0), (13.0, 13.0 / (13.0 + 1e-6)), (6.5, 6.5 / (13.0 + 1e-6))] {
        for (mut tape, allowed) in [(Tape::reference(), 1e-15), (Tape::new(&context), 3e-7)] {
            let found = run(&mut tape, &AdamOptions::new(0.01).clip(max_norm), &G[1..2])?;
            // The first moment of a first step is a tenth of the clipped gradient.
            for (got, g) in found[4..8].iter().zip(G[1]) {
                let want = (1.0 - 0.9) * factor * g;
                assert!((got - want).abs() <= allowed * want.abs(), "{max_norm}: got {got:e}, expected {want:e}");
            }
        }
        // Idle to the bit.
        if factor == 1.0 {
            let clipped = run(&mut Tape::new(&context), &AdamOptions::new(0.01).clip(max_norm), &G)?;
            assert_eq!(clipped, run(&mut Tape::new(&context), &AdamOptions::new(0.01), &G)?);
        }
    }
    Ok(())
}

#[test]
fn a_profile_counts_what_is_updated_in_place_as_read_and_written() -> Result<()> {
    let context = device();
    if !context.device().features().contains(kuramoto::wgpu::Features::TIMESTAMP_QUERY) {
        return Ok(());
    }
    let [state, grads, square] = [&[3, 5][..], &[5], &[1]]
        .map(|shape| Tensor::from_slice(&context, &numbers(1, shape.iter().product()), shape, DType::F32));
    let (state, grads, square) = (state?, grads?, square?);
    let (_, profile) = context.profile(|c| c.adam(&state, &grads, &square, 1, &AdamOptions::new(0.5)))?;
    assert_eq!(profile.spans[0].bytes, 4 * (2 * 15 + 5 + 1));
    let (_, profile) = context.profile(|c| c.scale(2.0, &state))?;
    assert_eq!(profile.spans[0].bytes, 4 * (15 + 15));
    Ok(())
}

#[test]
fn a_step_changes_the_tensor_itself_and_the_copy_does_not() -> Result<()> {
    let context = device();
    let mut commands = context.commands();
    let state = Tensor::from_slice(&context, &[1.0, 2.0, 0.0, 0.0, 0.0, 0.0], &[3, 2], DType::F32)?;
    let kept = commands.copy(&state)?;
    let grads = Tensor::from_slice(&context, &[1.0, -1.0], &[2], DType::F32)?;
    let square = commands.dot(&grads, &grads)?;
    commands.adam(&state, &grads, &square, 1, &AdamOptions::new(0.5))?;
    let parameters = state.slice(0, &[2])?;
    let average = commands.copy(&parameters)?;
    commands.adam(&state, &grads, &square, 2, &AdamOptions::new(0.5))?;
    commands.ema(&average, &parameters, 0.75)?;
    assert_eq!(commands.read(&kept)?[..2], [1.0, 2.0]);
    let near = |got: &[f32], want: &[f32]| got.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-5);
    assert!(near(&commands.read(&parameters)?, &[0.0, 3.0]));
    assert!(near(&commands.read(&average)?, &[0.375, 2.625]));
    Ok(())
}

#[test]
fn gradients_go_to_their_places_in_an_arena() -> Result<()> {
    let context = device();
    let mut commands = context.commands();
    let arena = Tensor::from_slice(&context, &numbers(1, 200), &[200], DType::F32)?;
    let old = commands.read(&arena)?;
    let part = Tensor::from_slice(&context, &numbers(2, 6), &[2, 3], DType::F32)?;
    commands.copy_into(&part, &arena.slice(64, &[2, 3])?)?;
    commands.zero(&arena.slice(128, &[5])?)?;
    // A tensor made by the same recording is copied after it was written.
    let double = commands.scale(2.0, &part)?;
    commands.copy_into(&double, &arena.slice(192, &[2, 3])?)?;
    drop(double);
    let mut want = old.clone();
    want[64..70].copy_from_slice(&numbers(2, 6));
    want[128..133].fill(0.0);
    for (slot, v) in want[192..198].iter_mut().zip(numbers(2, 6)) {
        *slot = 2.0 * v;
    }
    assert_eq!(commands.read(&arena)?, want);
    // Nothing to copy is nothing to do.
    let empty = Tensor::from_slice(&context, &[], &[0], DType::F32)?;
    commands.copy_into(&empty, &arena.slice(0, &[0])?)?;
    commands.zero(&empty)?;
    assert_eq!(commands.read(&arena)?, want);
    Ok(())
}

#[test]
fn the_backends_assemble_the_same_arena() -> Result<()> {
    let part: Vec<f64> = (0..6).map(|i| f64::from(i) - 2.5).collect();
    let mut found = Vec::new();
    for mut tape in [Tape::reference(), Tape::new(&device())] {
        let into = tape.upload(&vec![7.0; 80], &[80], DType::F32)?;
        let part = tape.upload(&part, &[2, 3], DType::F32)?;
        let full = tape.backend().assemble(&into, &[(0, Some(&part)), (64, Some(&part)), (72, None)])?;
        found.push(tape.backend().read(&full)?);
        let past = tape.backend().assemble(&into, &[(75, Some(&part))]);
        assert_eq!(refusal(past).0, ErrorKind::Index);
    }
    assert_eq!(found[0], found[1]);
    assert_eq!((found[0][5], found[0][6], found[0][64], found[0][72]), (2.5, 0.0, -2.5, 0.0));
    Ok(())
}

#[test]
fn the_average_warms_up_as_published() {
    let close = |a: f64, b: f64| (a - b).abs() < 1e-15;
    for (step, want) in
        [(1, 0.0), (101, 0.0), (102, 0.3700394750525634), (121, 0.8686226582675657), (1001, 0.9892802792352049)]
    {
        assert!(close(warmup_decay(step, 100, 0.995), want), "step {step}");
    }
    assert_eq!(warmup_decay(u32::MAX, 100, 0.995), 0.995);
    let schedule = WarmUp::new(100, 0.995);
    let updates: Vec<(u32, f64)> = (0..=131).filter_map(|step| Some((step, schedule.decay(step)?))).collect();
    assert_eq!(
        updates.iter().map(|(step, _)| *step).collect::<Vec<_>>(),
        (0..14).map(|i| 10 * i + 1).collect::<Vec<_>>()
    );
    for (step, decay) in updates {
        assert!(close(decay, if step <= 111 { 0.0 } else { warmup_decay(step, 100, 0.995) }), "step {step}");
    }
    // Every step from the first.
    let always = WarmUp { start: 0, every: 1, max_decay: 0.9 };
    assert_eq!([0, 1, 2].map(|step| always.decay(step)), [None, Some(0.0), Some(0.0)]);
    assert_eq!(always.decay(1000), Some(0.9));
}

#[test]
fn what_does_not_fit_is_refused() -> Result<()> {
    let context: Context = device();
    let mut commands = context.commands();
    let tensor =
        |shape: &[usize]| Tensor::from_slice(&context, &numbers(3, shape.iter().product()), shape, DType::F32).unwrap();
    let (state, grads, square) = (tensor(&[3, 5]), tensor(&[5]), tensor(&[1]));
    let before = bits(&state)?;
    let good = AdamOptions::new(1e-3);
    for (options, step, message) in [
        (good, 0, "adam: step is 0, expected counted from 1"),
        (AdamOptions::new(f64::NAN), 1, "adam: lr is NaN, expected a finite number of at least 0"),
        (AdamOptions::new(-1.0), 1, "adam: lr is -1, expected a finite number of at least 0"),
        (AdamOptions { beta1: 1.0, ..good }, 1, "adam: beta1 is 1, expected in [0, 1)"),
        (AdamOptions { beta2: -0.5, ..good }, 1, "adam: beta2 is -0.5, expected in [0, 1)"),
        (AdamOptions { eps: 0.0, ..good }, 1, "adam: eps is 0, expected a positive number of f32"),
        (good.clip(0.0), 1, "adam: max_norm is 0, expected a positive number, or None for no clipping"),
    ] {
        let found = refusal(commands.adam(&state, &grads, &square, step, &options));
        assert_eq!(found, (ErrorKind::Param, message.to_string()));
    }
    let kind = |result: Result<()>| refusal(result).0;
    assert_eq!(kind(commands.adam(&tensor(&[2, 5]), &grads, &square, 1, &good)), ErrorKind::Shape);
    assert_eq!(kind(commands.adam(&state, &tensor(&[4]), &square, 1, &good)), ErrorKind::Shape);
    let arena = tensor(&[3, 64]);
    let shared = arena.slice(0, &[64])?;
    assert_eq!(kind(commands.adam(&arena, &shared, &square, 1, &good)), ErrorKind::Aliasing);
    assert_eq!(kind(commands.ema(&grads, &tensor(&[5]), 1.5)), ErrorKind::Param);
    assert_eq!(kind(commands.ema(&grads, &tensor(&[6]), 0.5)), ErrorKind::Shape);
    assert_eq!(kind(commands.copy_into(&grads, &tensor(&[6]))), ErrorKind::Shape);
    assert_eq!(kind(commands.copy_into(&grads, &Tensor::from_u32(&context, &[0; 5], &[5])?)), ErrorKind::DType);
    assert_eq!(kind(commands.copy_into(&shared, &arena.slice(64, &[64])?)), ErrorKind::Aliasing);
    if context.has_f16() {
        let odd = Tensor::from_slice(&context, &[1.0, 2.0, 3.0], &[3], DType::F16)?;
        assert_eq!(kind(commands.zero(&odd)), ErrorKind::Buffer);
    }
    let other = sibling(&context);
    let foreign = Tensor::from_slice(&other, &[1.0; 5], &[5], DType::F32)?;
    assert_eq!(kind(commands.copy_into(&foreign, &grads)), ErrorKind::Foreign);
    assert_eq!(kind(commands.zero(&foreign)), ErrorKind::Foreign);
    assert_eq!(kind(commands.adam(&state, &foreign, &square, 1, &good)), ErrorKind::Foreign);
    assert_eq!(bits(&state)?, before);
    Ok(())
}
