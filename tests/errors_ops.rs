//! What the ops of a network refuse, and what numbers outside their domain do where they cannot be refused.
#![cfg(feature = "gpu")]

mod common;

use common::{device, dtypes, numbers, refused, sibling};
use kuramoto::{Context, DType, ErrorKind, Result, Tape, Tensor};

fn tensor(context: &Context, shape: &[usize], dtype: DType) -> Result<Tensor> {
    let len = shape.iter().product();
    Tensor::from_slice(context, &numbers(len as u64, len), shape, dtype)
}

#[test]
fn extents_that_do_not_fit_are_refused() -> Result<()> {
    let context = device();
    let mut commands = context.commands();
    let shapes: [&[usize]; 6] = [&[2, 3, 4], &[5], &[2, 3, 0], &[0, 3], &[2, 4], &[2, 5]];
    let [x, flat, hollow, none, mask, wrong] = shapes.map(|shape| tensor(&context, shape, DType::F32).unwrap());
    let indices = Tensor::from_u32(&context, &[0; 6], &[2, 3])?;
    let shape = ErrorKind::Shape;
    let planes = "expected [B, C, ..] with planes that are not empty";
    refused(commands.pool_average(&flat), shape, &format!("pool_average: x is [5], {planes}"));
    refused(commands.pool_max(&hollow), shape, &format!("pool_max: x is [2, 3, 0], {planes}"));
    refused(commands.swiglu(&x, 1), shape, "swiglu: x is 3 channels along axis 1, expected two halves");
    let axis = "expected an axis of [2, 3, 4] after the first, which counts samples";
    refused(commands.swiglu(&x, 0), shape, &format!("swiglu: axis is 0, {axis}"));
    refused(commands.blend(&x, &x, &mask, 3), shape, &format!("blend: axis is 3, {axis}"));
    refused(commands.blend(&x, &x, &wrong, 1), shape, "blend: mask is [2, 5], expected [2, 4]");
    refused(commands.embedding(&indices, &x, 1), shape, "embedding: table is [2, 3, 4], expected [V, D]");
    let message = "embedding: axis is 3, expected 1 to 2 for indices of [2, 3]";
    refused(commands.embedding(&indices, &mask, 3), shape, message);
    let message =
        "cross_entropy: logits is [0, 3], expected at least one position and one class; an empty mean is no number";
    refused(commands.cross_entropy(&none, &indices, 1), shape, message);
    let message = "cross_entropy: labels is [2, 3], expected [2, 4]";
    refused(commands.cross_entropy(&x, &indices, 1), shape, message);
    let labels = tensor(&context, &[2, 4], DType::F32)?;
    refused(commands.cross_entropy(&x, &labels, 1), ErrorKind::DType, "cross_entropy: labels is f32, expected u32");
    refused(commands.relu(&indices), ErrorKind::DType, "relu: storage is u32, expected f32 or f16");
    Ok(())
}

#[test]
fn steps_and_rates_of_nodes_that_do_not_fit_are_refused() -> Result<()> {
    let context = device();
    let mut commands = context.commands();
    let (shape, param) = (ErrorKind::Shape, ErrorKind::Param);
    let of = |shape: &[usize]| tensor(&context, shape, DType::F32);
    let [x, h, other, field] = [of(&[2, 3])?, of(&[2])?, of(&[3, 2])?, of(&[2, 1, 2])?];
    let [flat, scalar, hollow] = [of(&[3])?, of(&[])?, of(&[2, 0, 2])?];

    let message = "phase_step: number of rates is 0, expected from 1 to 5";
    refused(commands.phase_step(&x, &[], &h, &[], false), param, message);
    let message = "phase_step: number of rates is 6, expected from 1 to 5";
    refused(commands.phase_step(&x, &[&x; 6], &h, &[1.0; 6], false), param, message);
    let message = "phase_step: number of coefficients is 1, expected 2, one per rate";
    refused(commands.phase_step(&x, &[&x, &x], &h, &[1.0], false), param, message);
    let message = "phase_step: coefficient is inf, expected a finite number";
    refused(commands.phase_step(&x, &[&x, &x], &h, &[1.0, f32::INFINITY], false), param, message);
    let message = "phase_step: k1 is [3, 2], expected [2, 3]";
    refused(commands.phase_step(&x, &[&x, &other], &h, &[1.0; 2], false), shape, message);
    refused(commands.phase_step(&x, &[&x], &flat, &[1.0], true), shape, "phase_step: h is [3], expected [2]");
    let message = "phase_step: x is a scalar, expected a first axis of samples";
    refused(commands.phase_step(&scalar, &[&scalar], &h, &[1.0], true), shape, message);

    refused(commands.phasors(&x, 0), param, "phasors: harmonic is 0, expected from 1 to 2^24");
    refused(commands.phasors(&x, (1 << 24) + 1), param, "phasors: harmonic is 16777217, expected from 1 to 2^24");
    let message = "mean_nodes: x is [2, 0, 2], expected [B, N, n] with at least one node";
    refused(commands.mean_nodes(&hollow), shape, message);
    let message = "mean_nodes: x is [2, 3], expected [B, N, n] with at least one node";
    refused(commands.mean_nodes(&x), shape, message);

    refused(commands.phase_rate(&flat, &flat, &field, &h, &h, 1), shape, "phase_rate: theta is [3], expected [B, N]");
    let message = "phase_rate: base is [2], expected [3] or [2, 3]";
    refused(commands.phase_rate(&x, &h, &field, &h, &h, 1), shape, message);
    let message = "phase_rate: field is [2, 3], expected [2, 3, 2] or [2, 1, 2]";
    refused(commands.phase_rate(&x, &flat, &x, &h, &h, 1), shape, message);
    let message = "phase_rate: lag is [3], expected [2]";
    refused(commands.phase_rate(&x, &flat, &field, &h, &flat, 1), shape, message);
    let message = "phase_rate: harmonic is 0, expected from 1 to 2^24";
    refused(commands.phase_rate(&x, &flat, &field, &h, &h, 0), param, message);

    refused(commands.swing_rate(&flat, &x, &flat, &flat), shape, "swing_rate: force is [3], expected [B, N]");
    refused(commands.swing_rate(&x, &x, &h, &flat), shape, "swing_rate: inertia is [2], expected [3]");
    refused(commands.swing_kick(&x, &other, &flat, &h), shape, "swing_kick: force is [3, 2], expected [2, 3]");
    refused(commands.swing_drift(&x, &x, &x, &flat, &h, &h), shape, "swing_drift: damping is [2], expected [3]");
    let integers = Tensor::from_u32(&context, &[0; 6], &[2, 3])?;
    refused(commands.phasors(&integers, 1), ErrorKind::DType, "phasors: theta is u32, expected f32");
    Ok(())
}

#[test]
fn a_checked_context_and_the_reference_refuse_indices_past_the_end() -> Result<()> {
    let context = sibling(&device()).checked();
    for mut tape in [Tape::new(&context), Tape::reference()] {
        let table = tape.upload(&[1.0f32; 6], &[3, 2], DType::F32)?;
        let indices = tape.upload(&[2.0f32, 3.0], &[2], DType::U32)?;
        let (table, indices) = (tape.leaf(table), tape.constant(indices));
        let message = "embedding: indices is 3, expected below 3";
        refused(tape.embedding(indices, table, 1), ErrorKind::Index, message);
        let message = "cross_entropy: labels is 3, expected below 2";
        let logits = tape.reshape(table, &[3, 2])?;
        let labels = tape.upload(&[0.0f32, 3.0, 1.0], &[3], DType::U32)?;
        let labels = tape.constant(labels);
        refused(tape.cross_entropy(logits, labels, 1), ErrorKind::Index, message);
    }
    Ok(())
}

#[test]
fn indices_past_the_end_give_nan_and_reach_no_other_row() -> Result<()> {
    let context = device();
    for dtype in dtypes(&context) {
        for past in [3.0, f64::from(u32::MAX)] {
            let mut tape = Tape::new(&context);
            let table = tape.upload(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], &[3, 2], *dtype)?;
            let indices = tape.upload(&[1.0, past, 2.0, 1.0], &[4], DType::U32)?;
            let (table, indices) = (tape.leaf(table), tape.constant(indices));
            let dst = tape.embedding(indices, table, 1)?;
            let got = tape.read(dst)?;
            assert!(got[2].is_nan() && got[3].is_nan(), "{got:?}");
            assert_eq!([&got[..2], &got[4..]].concat(), [3.0, 4.0, 5.0, 6.0, 3.0, 4.0]);
            let seed = tape.upload(&[1.0f32; 8], &[4, 2], *dtype)?;
            assert_eq!(tape.vjp(&[(dst, seed)])?.read(&mut tape, table)?, [0.0, 0.0, 2.0, 2.0, 1.0, 1.0]);

            let logits = tape.upload(&[0.0f32; 4], &[2, 2], *dtype)?;
            let labels = tape.upload(&[1.0, past], &[2], DType::U32)?;
            let (logits, labels) = (tape.leaf(logits), tape.constant(labels));
            let loss = tape.cross_entropy(logits, labels, 1)?;
            assert!(tape.read(loss)?[0].is_nan());
            let gradient = tape.backward(loss)?.read(&mut tape, logits)?;
            assert_eq!(gradient[..2], [0.25, -0.25]);
            assert!(gradient[2].is_nan() && gradient[3].is_nan(), "{gradient:?}");
        }
    }
    Ok(())
}

#[test]
fn nan_is_not_lost() -> Result<()> {
    let context = device();
    let mut commands = context.commands();
    let x = Tensor::from_slice(&context, &[1.0, -2.0, f32::NAN, 3.0, -f32::NAN, 5.0], &[1, 3, 2], DType::F32)?;
    let pooled = commands.pool_max(&x)?;
    let pooled = commands.read(&pooled)?;
    assert!(pooled[0] == 1.0 && pooled[1].is_nan() && pooled[2].is_nan(), "{pooled:?}");
    let y = commands.relu(&x)?;
    let y = commands.read(&y)?;
    assert!(y[..2] == [1.0, 0.0] && y[2].is_nan() && y[4].is_nan(), "{y:?}");
    Ok(())
}
