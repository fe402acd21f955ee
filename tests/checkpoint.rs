//! Repeated steps that keep little: the gradients are those of a tape that keeps everything, and memory is what the
//! documentation says.

use kuramoto::ops::sphere_step::{Rotation, StepOptions};
use kuramoto::{DType, ErrorKind, Result, Stepped, Storage, Tape, Value, Var};

const BATCH: usize = 2;
const CHANNELS: usize = 8;
const SIDE: usize = 5;
const STATE: [usize; 4] = [BATCH, CHANNELS, SIDE, SIDE];

fn numbers(len: usize, seed: u32, scale: f32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12345);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 8) as f32 / (1 << 23) as f32 - 1.0) * scale
    };
    (0..len).map(|_| next()).collect()
}

/// Leaves: raw state, weights, bias, drive, gamma, frequencies.
fn leaves(tape: &mut Tape) -> Result<Vec<Var>> {
    let shapes: [&[usize]; 6] = [&STATE, &[CHANNELS, CHANNELS, 3, 3], &[CHANNELS], &STATE, &[1], &[CHANNELS / 2]];
    let mut vars = Vec::new();
    for (i, shape) in shapes.into_iter().enumerate() {
        let mut data = numbers(shape.iter().product(), i as u32, 0.3);
        if i >= 4 {
            data.iter_mut().for_each(|v| *v = v.abs() + 0.2);
        }
        let value = tape.upload(&data, shape, DType::F32)?;
        vars.push(tape.leaf(value));
    }
    Ok(vars)
}

/// One step, its energy emitted.
fn step(tape: &mut Tape, carried: &[Var], shared: &[Var]) -> Result<Stepped> {
    let y = tape.couple_conv2d(carried[0], shared[0], shared[1])?;
    let y = tape.add(y, shared[2])?;
    let options = StepOptions::new(4, 1).rotation(Rotation::PerPair);
    let (state, energy) = tape.sphere_step(carried[0], y, shared[3], Some(shared[4]), &options)?;
    Ok(Stepped { carried: vec![state], emitted: vec![energy] })
}

/// The last state, all energies and all gradients of a functional of both.
fn run(tape: &mut Tape, steps: usize, storage: Storage) -> Result<Vec<Vec<f64>>> {
    let vars = leaves(tape)?;
    let x = tape.sphere_normalize(vars[0], 1, 4)?;
    let repeated = tape.repeat(steps, storage, &[x], &vars[1..], step)?;
    let state = repeated.carried[0];
    let mut seeds: Vec<(Var, Value)> =
        vec![(state, tape.upload(&numbers(STATE.iter().product(), 77, 1.0), &STATE, DType::F32)?)];
    for (t, emitted) in repeated.emitted.iter().enumerate() {
        seeds.push((emitted[0], tape.upload(&numbers(BATCH, 100 + t as u32, 1.0), &[BATCH], DType::F32)?));
    }
    let grads = tape.vjp(&seeds)?;
    let mut all = vec![tape.read(state)?];
    for emitted in &repeated.emitted {
        all.push(tape.read(emitted[0])?);
    }
    for var in &vars {
        all.push(grads.read(tape, *var)?);
    }
    Ok(all)
}

/// The largest difference relative to the largest number of each array.
fn off(a: &[Vec<f64>], b: &[Vec<f64>]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).fold(0.0f64, |worst, (a, b)| {
        let scale = a.iter().fold(1e-300f64, |m, v| m.max(v.abs()));
        a.iter().zip(b).fold(worst, |worst, (a, b)| worst.max((a - b).abs() / scale))
    })
}

#[test]
fn segments_change_no_gradient_of_the_reference() -> Result<()> {
    let steps = 7;
    let whole = run(&mut Tape::reference(), steps, Storage::Everything)?;
    for storage in [1, 2, 3, 7, 50].map(Storage::Every).into_iter().chain([Storage::balanced(steps)]) {
        let found = run(&mut Tape::reference(), steps, storage)?;
        // Segments add the gradients of shared values in another order: a few roundings of f64.
        assert!(off(&whole, &found) < 1e-13, "{storage:?}: off by {:e}", off(&whole, &found));
    }
    Ok(())
}

#[test]
fn no_steps_return_the_state_they_got() -> Result<()> {
    let found = run(&mut Tape::reference(), 0, Storage::Every(3))?;
    let whole = run(&mut Tape::reference(), 0, Storage::Everything)?;
    assert_eq!(found, whole);
    Ok(())
}

#[test]
fn checkpoints_nest_and_refuse_what_they_were_not_given() -> Result<()> {
    let mut tape = Tape::reference();
    let value = tape.upload(&[0.5f32, -2.0], &[2], DType::F32)?;
    let x = tape.leaf(value);
    let out = tape.checkpoint(&[x], |tape, x| {
        let twice = tape.checkpoint(x, |tape, x| Ok(vec![tape.add(x[0], x[0])?]))?;
        Ok(vec![tape.dot(twice[0], x[0])?])
    })?;
    assert_eq!(tape.read(out[0])?, [8.5]);
    let grads = tape.backward(out[0])?;
    assert_eq!(grads.read(&mut tape, x)?, [2.0, -8.0]);
    let error = tape.checkpoint(&[x], move |tape, _| Ok(vec![tape.add(x, x)?])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Foreign);
    // The tape goes on after a failure.
    assert_eq!(tape.read(x)?, [0.5, -2.0]);
    Ok(())
}

#[test]
fn bad_repetitions_are_refused() -> Result<()> {
    let mut tape = Tape::reference();
    let value = tape.upload(&[1.0f32], &[1], DType::F32)?;
    let x = tape.leaf(value);
    let error =
        tape.repeat(2, Storage::Every(0), &[x], &[], |_, c, _| Ok(Stepped { carried: c.to_vec(), emitted: vec![] }));
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Param);
    let error = tape.repeat(2, Storage::Every(1), &[x], &[], |_, _, _| Ok(Stepped::default()));
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Param);
    Ok(())
}

#[cfg(feature = "gpu")]
mod device {
    use super::*;
    use kuramoto::Context;

    #[test]
    fn a_state_alone_per_step_gives_the_same_bits() -> Result<()> {
        let context = Context::new()?;
        let whole = run(&mut Tape::new(&context), 5, Storage::Everything)?;
        assert!(whole == run(&mut Tape::new(&context), 5, Storage::Every(1))?, "the order of all sums is the same");
        let found = run(&mut Tape::new(&context), 5, Storage::Every(3))?;
        // The state's own path is the same chain of kernels; only sums over steps associate differently.
        assert_eq!(whole[..7], found[..7]);
        assert!(off(&whole, &found) < 5.0 * f64::powi(2.0, -23), "off by {:e}", off(&whole, &found));
        Ok(())
    }
}
