//! Pinned variants: they are used, printed and read back; tuning measures and pins.
#![cfg(feature = "gpu")]

mod common;

use common::own_device;
use kuramoto::ops::{self, Tunable};
use kuramoto::{Choice, Context, ConvOptions, DType, ErrorKind, MatmulOptions, Result, Tensor};

fn tensor(context: &Context, shape: &[usize]) -> Tensor {
    let len = shape.iter().product();
    Tensor::from_slice(context, &common::numbers(1, len), shape, DType::F32).unwrap()
}

fn product(context: &Context, n: usize) -> Result<Vec<f32>> {
    let a = tensor(context, &[n, n]);
    let mut commands = context.commands();
    let dst = commands.matmul(&a, &a, MatmulOptions::default())?;
    commands.read(&dst)
}

fn has(context: &Context, kernel: &str) -> bool {
    context.compiled().iter().any(|name| name.split(' ').next() == Some(kernel))
}

#[test]
fn a_pin_decides_for_its_bucket_alone_until_it_is_taken_back() {
    let context = own_device();
    let plain = product(&context, 33).unwrap();
    assert!(!has(&context, "matmul"), "{:?}", context.compiled());
    context.pin(&[Choice::new("matmul", DType::F32, &[40, 50, 60], "plain")]);
    product(&context, 20).unwrap();
    assert!(!has(&context, "matmul"), "20 is in another bucket: {:?}", context.compiled());
    let pinned = product(&context, 33).unwrap();
    assert!(has(&context, "matmul"), "{:?}", context.compiled());
    assert!(pinned.iter().zip(&plain).all(|(a, b)| (a - b).abs() < 1e-4));
    context.unpin();
    assert!(context.pinned().is_empty());
    assert_eq!(product(&context, 33).unwrap(), plain);
}

#[test]
fn a_pin_to_an_unknown_variant_is_not_used() {
    let context = own_device();
    let plain = product(&context, 33).unwrap();
    context.pin(&[Choice::new("matmul", DType::F32, &[33, 33, 33], "no such variant")]);
    assert_eq!(product(&context, 33).unwrap(), plain);
}

#[test]
fn linear_maps_and_convolutions_follow_pins() {
    let context = own_device();
    context.pin(&[
        Choice::new("linear", DType::F32, &[5, 3], "staged"),
        Choice::new("conv2d", DType::F32, &[4, 3, 9], "staged"),
    ]);
    let mut commands = context.commands();
    commands.linear(&tensor(&context, &[7, 3]), &tensor(&context, &[5, 3]), None, 1).unwrap();
    let options = ConvOptions { padding: [1, 1], ..ConvOptions::default() };
    commands.conv2d(&tensor(&context, &[1, 3, 5, 5]), &tensor(&context, &[4, 3, 3, 3]), None, options).unwrap();
    commands.submit().unwrap();
    context.wait().unwrap();
    assert!(has(&context, "linear_staged") && has(&context, "conv2d_staged"), "{:?}", context.compiled());
}

#[test]
fn choices_are_printed_and_read_back() {
    let choice = Choice::new("linear", DType::F16, &[65, 512], "staged");
    assert_eq!(choice.to_string(), "linear f16 128x512 staged");
    assert_eq!(choice.to_string().parse::<Choice>().unwrap(), choice);
    for text in ["", "linear f16 128x512", "linear f16 100x512 staged", "linear f16 x staged", "a b 1 c d"] {
        let error = text.parse::<Choice>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::File, "{text}");
    }
}

#[test]
fn tuning_times_every_variant_and_pins_the_fastest() {
    let context = own_device();
    let before = Choice::new("matmul", DType::F32, &[8, 8, 8], "reg");
    context.pin(std::slice::from_ref(&before));
    let op = Tunable::Linear { rows: 48, depth: 32 };
    let tuned = ops::tune(&context, op, DType::F32).unwrap();
    let names: Vec<&str> = tuned.candidates.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["plain", "reg", "staged"]);
    let least = tuned.candidates.iter().map(|(_, micros)| *micros).fold(f64::INFINITY, f64::min);
    let chosen = tuned.candidates.iter().find(|(name, _)| *name == tuned.choice.variant).unwrap();
    assert!(least > 0.0 && chosen.1 == least, "{tuned}");
    assert_eq!(context.pinned(), [tuned.choice.clone(), before], "{tuned}");
    assert_eq!(tuned.choice.bucket, [64, 32]);
    for op in [Tunable::Linear { rows: 0, depth: 1 }, Tunable::Conv2d { c_out: 1, c_in: 1, kernel: 2 }] {
        assert_eq!(ops::tune(&context, op, DType::F32).unwrap_err().kind(), ErrorKind::Param);
    }
}
