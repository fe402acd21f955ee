//! Weights that several calls use: their gradients are summed while these run, in sums that the calls share.
#![cfg(feature = "gpu")]

mod common;

use common::{device, numbers, sibling};
use kuramoto::{ConvOptions, DType, Result, Tape, Var};

fn leaf(tape: &mut Tape, seed: u64, shape: &[usize]) -> Result<Var> {
    let value = tape.upload(&numbers(seed, shape.iter().product()), shape, DType::F32)?;
    Ok(tape.leaf(value))
}

/// What a chain of maps does with its weights.
#[derive(Clone, Copy, Debug)]
enum Use {
    /// Weights and bias together.
    Both,
    /// The weights with another bias.
    OtherBias,
    /// The weights alone.
    Alone,
    /// The bias with other weights.
    OtherWeights,
    /// Both, and twice as many samples.
    MoreSamples,
}

/// Gradients of two weights, two biases and the state after calls that use them, `pixels` for a convolution.
fn gradients(tape: &mut Tape, uses: &[Use], pixels: bool) -> Result<Vec<Vec<f64>>> {
    let x = leaf(tape, 1, if pixels { &[2, 9, 4, 5] } else { &[2, 9, 20] })?;
    let shape: &[usize] = if pixels { &[9, 9, 3, 1] } else { &[9, 9] };
    // The maps use a quarter of the first weights, which is no leaf.
    let raw = leaf(tape, 2, shape)?;
    let w = tape.scale(0.25, raw)?;
    let (v, a, b) = (leaf(tape, 3, shape)?, leaf(tape, 4, &[9])?, leaf(tape, 5, &[9])?);
    let options = ConvOptions { padding: [1, 0], ..ConvOptions::default() };
    let (mut state, mut seeds) = (x, vec![]);
    for (step, how) in uses.iter().enumerate() {
        let (weights, bias) = match how {
            Use::Both | Use::MoreSamples => (w, Some(a)),
            Use::OtherBias => (w, Some(b)),
            Use::Alone => (w, None),
            Use::OtherWeights => (v, Some(a)),
        };
        let input = match how {
            Use::MoreSamples => tape.concat(state, state, 0)?,
            _ => state,
        };
        let next = match pixels {
            true => tape.conv2d(input, weights, bias, options)?,
            false => tape.linear(input, weights, bias, 1)?,
        };
        let shape = tape.spec(next)?.shape;
        let seed = numbers(20 + step as u64, shape.iter().product());
        seeds.push((next, tape.upload(&seed, &shape, DType::F32)?));
        if !matches!(how, Use::MoreSamples) {
            state = next;
        }
    }
    let grads = tape.vjp(&seeds)?;
    [x, raw, v, a, b].into_iter().map(|var| grads.read(tape, var)).collect()
}

#[test]
fn whoever_shares_what_the_gradients_are_those_of_the_reference() -> Result<()> {
    use Use::{Alone, Both, MoreSamples, OtherBias, OtherWeights};
    let context = device();
    for uses in [
        [Both, Both, Both],
        [Alone, Alone, Alone],
        [Both, Alone, Both],
        [Both, OtherBias, Both],
        [OtherBias, Both, OtherWeights],
        [OtherWeights, OtherWeights, Both],
        [Both, MoreSamples, Both],
        [Alone, MoreSamples, OtherBias],
    ] {
        for pixels in [false, true] {
            let got = gradients(&mut Tape::new(&context), &uses, pixels)?;
            let want = gradients(&mut Tape::reference(), &uses, pixels)?;
            for (at, (got, want)) in got.iter().zip(&want).enumerate() {
                // Three maps of 27 terms from uniform numbers: no sum has more than 400 terms, and rounds to 2^-24 of its
                // largest partial sum each time.
                let scale = want.iter().fold(1.0f64, |m, v| m.max(v.abs()));
                let allowed = 400.0 * 3.0 * f64::powi(2.0, -24) * scale;
                for (got, want) in got.iter().zip(want) {
                    assert!((got - want).abs() <= allowed, "{uses:?}, pixels {pixels}, operand {at}: {got} for {want}");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn the_second_stage_runs_once_and_nothing_is_added() -> Result<()> {
    let context = sibling(&device());
    let dispatches = |calls: usize| -> Result<u64> {
        let mut tape = Tape::new(&context);
        let w = leaf(&mut tape, 2, &[8, 8])?;
        let x = tape.upload(&numbers(3, 16), &[2, 8], DType::F32)?;
        let x = tape.constant(x);
        let mut seeds = vec![];
        for _ in 0..calls {
            let y = tape.linear(x, w, None, 1)?;
            seeds.push((y, tape.upload(&numbers(4, 16), &[2, 8], DType::F32)?));
        }
        let before = context.counters().dispatches;
        tape.vjp(&seeds)?;
        Ok(context.counters().dispatches - before)
    };
    // One a call for its sums, one in the end.
    assert_eq!([dispatches(1)?, dispatches(2)?, dispatches(5)?], [2, 3, 6]);
    Ok(())
}
