//! Products by cooperative matrices: tried before they are used, and refused by name where a device has none.

#![cfg(feature = "gpu")]

mod common;

use common::own_device;
use kuramoto::{Choice, Context, DType, ErrorKind, MatmulOptions, Tensor, ops};

fn product(context: &Context, dtype: DType) -> kuramoto::Result<Vec<f32>> {
    let numbers: Vec<f32> = (0..70 * 66).map(|i| (i % 7) as f32 - 3.0).collect();
    let a = Tensor::from_slice(context, &numbers, &[70, 66], dtype)?;
    let b = Tensor::from_slice(context, &numbers, &[66, 70], dtype)?;
    let mut commands = context.commands();
    let dst = commands.matmul(&a, &b, MatmulOptions::default())?;
    commands.read(&dst)
}

fn exact_product() -> Vec<f32> {
    let number = |i: usize| (i % 7) as f32 - 3.0;
    let sum = |m: usize, n: usize| (0..66).map(|k| number(m * 66 + k) * number(k * 70 + n)).sum();
    (0..70 * 70).map(|at| sum(at / 70, at % 70)).collect()
}

#[test]
fn a_device_is_asked_once_and_its_answer_stands() {
    let context = own_device();
    let trusted = ops::trusted_tile(&context).unwrap();
    let before = context.counters();
    assert_eq!(ops::trusted_tile(&context).unwrap(), trusted);
    assert_eq!(context.counters().dispatches, before.dispatches, "the second call computes nothing");
    match context.cooperative_tile() {
        None => assert_eq!(trusted, None),
        // This driver's products are right; one that gets them wrong must not fail here, but in its own report.
        Some(edge) => assert_eq!(trusted.is_some(), ops::self_test(&context, edge, 1).unwrap() == 0),
    }
}

#[test]
fn a_pin_runs_them_where_they_are_right_and_is_not_used_elsewhere() {
    let context = own_device();
    assert!(context.has_f16(), "every adapter that CI has stores f16");
    let plain = product(&context, DType::F16).unwrap();
    context.pin(&[Choice::new("matmul", DType::F16, &[70, 70, 66], "cooperative")]);
    // Integers: exact in any order.
    assert_eq!(product(&context, DType::F16).unwrap(), plain);
    let ran = context.compiled().iter().any(|name| name.starts_with("matmul_cooperative f16"));
    assert_eq!(ran, ops::trusted_tile(&context).unwrap().is_some(), "{:?}", context.compiled());
    // f32 has no such variant.
    context.pin(&[Choice::new("matmul", DType::F32, &[70, 70, 66], "cooperative")]);
    assert_eq!(product(&context, DType::F32).unwrap(), exact_product());
}

#[test]
fn a_self_test_without_the_feature_is_an_error_and_no_verdict() {
    let context = own_device();
    if context.cooperative_tile().is_none() {
        let error = ops::self_test(&context, 8, 1).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Feature | ErrorKind::Shader), "{error}");
    }
}
