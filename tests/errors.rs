//! Every mistake that a user can make: its kind, its full message, and that nothing else happened. Messages are part of
//! the product.
#![cfg(feature = "gpu")]

mod common;

use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use common::{bits, device, error_of, host_device, noop, numbers, own_device, refused, sibling, unit};
use kuramoto::kernel::{Binding, Elem, Kernel, Params as _, Source, input, output};
use kuramoto::ops::couple_attention::CoupleAttention;
use kuramoto::{
    AttentionOptions, AttentionWeights, Commands, Context, ConvOptions, DType, Distribution, ErrorKind, MatmulOptions,
    Result, Rotation, StepOptions, Stream, Tape, Tensor, Work, ops, read, wgpu, write,
};

fn tensor(context: &Context, shape: &[usize]) -> Tensor {
    let len = shape.iter().product();
    Tensor::from_slice(context, &numbers(len as u64, len), shape, DType::F32).unwrap()
}

/// A tensor that must survive every refused call, in a context that must go on computing.
struct Witness {
    x: Tensor,
    before: Vec<u32>,
}

impl Witness {
    fn new(context: &Context) -> Witness {
        let x = tensor(context, &[7]);
        let before = bits(&x).unwrap();
        Witness { x, before }
    }

    #[track_caller]
    fn intact(&self) {
        assert_eq!(bits(&self.x).unwrap(), self.before, "an argument changed");
        let mut commands = self.x.context().commands();
        let double = commands.add(&self.x, &self.x).unwrap();
        let wanted: Vec<f32> = self.before.iter().map(|b| 2.0 * f32::from_bits(*b)).collect();
        assert_eq!(commands.read(&double).unwrap(), wanted, "the context computes something else");
    }
}

kuramoto::params! {
    struct Len { len: u32 }
}

const TOY_TEXT: &str = "
// dst = x + 1
struct Params { len: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> dst: array<f32>;
@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    if gid.x < params.len { dst[gid.x] = x[gid.x] + 1.0; }
}";

const TOY_BINDINGS: &[Binding] = &[input("x", Elem::F32, "[len]"), output("dst", Elem::F32, "[len]")];

const fn toy(name: &'static str, source: &'static str) -> Kernel {
    Kernel { name, source: Source::new(source), params: Len::FIELDS, bindings: TOY_BINDINGS, constants: &[] }
}

static TOY: Kernel = toy("toy", TOY_TEXT);

fn run_toy(commands: &mut Commands, x: &Tensor, dst: &Tensor) -> Result<()> {
    let len = x.len();
    commands.dispatch(&TOY, DType::F32, &[], &Len { len: len as u32 }, &[read(x), write(dst)], Work::invocations(len))
}

type Mistake<'a> = (&'a str, Result<()>, ErrorKind, &'a str);

/// Checks a table and that the witness survived every row of it.
#[track_caller]
fn check(witness: &Witness, table: Vec<Mistake>) {
    for (what, result, kind, message) in table {
        let error = error_of(result, message);
        assert_eq!((error.kind(), error.to_string().as_str()), (kind, message), "{what}");
        assert!(error.is_recoverable(), "{what}");
    }
    witness.intact();
}

/// Projections without biases and matrices.
fn attention<'a>(w_qkv: &'a Tensor, w_o: &'a Tensor) -> AttentionWeights<&'a Tensor> {
    AttentionWeights { w_qkv, b_qkv: None, w_o, b_o: None, positions: [None; 4] }
}

/// The same with matrices of the keys.
fn positioned<'a>(w_qkv: &'a Tensor, w_o: &'a Tensor, mat_k: &'a Tensor) -> AttentionWeights<&'a Tensor> {
    AttentionWeights { positions: [None, Some(mat_k), None, None], ..attention(w_qkv, w_o) }
}

#[test]
fn extents_that_do_not_agree_are_refused_by_every_op() -> Result<()> {
    let context = device();
    let witness = Witness::new(&context);
    let t = |shape: &[usize]| tensor(&context, shape);
    let mut c = context.commands();
    let (gamma, image) = (t(&[1]), t(&[2, 4, 3, 3]));
    let plain = ConvOptions::default();
    let turned = MatmulOptions { transpose_a: true, transpose_b: true };
    let step = StepOptions::new(2, 1);
    let turning = step.rotation(Rotation::PerPair);
    let heads = AttentionOptions::new(2, 1);
    use ErrorKind::Shape;
    #[rustfmt::skip]
    let table: Vec<Mistake> = vec![
        ("add", c.add(&t(&[2, 3]), &t(&[3, 2])).map(drop), Shape, "add: b is [3, 2], expected [2, 3]"),
        ("axpy", c.axpy(2.0, &t(&[6]), &t(&[2, 3])).map(drop), Shape, "axpy: y is [2, 3], expected [6]"),
        ("dot", c.dot(&t(&[6]), &t(&[7])).map(drop), Shape, "dot: b is [7], expected [6]"),
        ("conv2d", c.conv2d(&t(&[4, 3, 3]), &t(&[4, 4, 1, 1]), None, plain).map(drop), Shape,
            "conv2d: x is [4, 3, 3], expected [B, I, H, W]"),
        ("conv2d", c.conv2d(&image, &t(&[4, 4]), None, plain).map(drop), Shape,
            "conv2d: w is [4, 4], expected [O, I, KH, KW]"),
        ("conv2d", c.conv2d(&image, &t(&[4, 5, 3, 3]), None, plain).map(drop), Shape,
            "conv2d: w is [4, 5, 3, 3], expected [O, 4, KH, KW] for x of [2, 4, 3, 3]"),
        ("conv2d", c.conv2d(&image, &t(&[4, 4, 2, 4]), None, plain).map(drop), Shape,
            "conv2d: kernel is 2 x 4, expected 1 to 3 + 2 x 0 along axis 3, the padded x"),
        ("conv2d", c.conv2d(&image, &t(&[4, 4, 0, 1]), None, plain).map(drop), Shape,
            "conv2d: kernel is 0 x 1, expected 1 to 3 + 2 x 0 along axis 2, the padded x"),
        ("conv2d", c.conv2d(&image, &t(&[5, 4, 2, 2]), Some(&t(&[4])), plain).map(drop), Shape,
            "conv2d: bias is [4], expected [5]"),
        ("linear", c.linear(&image, &t(&[5, 4, 1]), None, 1).map(drop), Shape,
            "linear: w is [5, 4, 1], expected [M, K]"),
        ("linear", c.linear(&image, &t(&[5, 4]), None, 2).map(drop), Shape,
            "linear: w is [5, 4], expected [M, 3] for axis 2 of [2, 4, 3, 3]"),
        ("linear", c.linear(&image, &t(&[5, 2]), None, 0).map(drop), Shape,
            "linear: axis is 0, expected an axis of [2, 4, 3, 3] after the first, which counts samples"),
        ("linear", c.linear(&image, &t(&[5, 4]), Some(&t(&[4])), 1).map(drop), Shape,
            "linear: bias is [4], expected [5]"),
        ("matmul", c.matmul(&image, &t(&[3, 2]), MatmulOptions::default()).map(drop), Shape,
            "matmul: a is [2, 4, 3, 3], expected two axes, or three with a batch"),
        ("matmul", c.matmul(&t(&[2, 3]), &t(&[3]), MatmulOptions::default()).map(drop), Shape,
            "matmul: b is [3], expected two axes, or three with a batch"),
        ("matmul", c.matmul(&t(&[2, 3]), &t(&[2, 4]), MatmulOptions::default()).map(drop), Shape,
            "matmul: b is [2, 4], expected [3, N] for a of [2, 3]"),
        ("matmul", c.matmul(&t(&[5, 2, 3]), &t(&[4, 2, 3]), turned).map(drop), Shape,
            "matmul: b is [4, 2, 3], expected [5, N, 2] for a of [5, 2, 3]"),
        ("couple_attention", c.couple_attention(&image, &attention(&t(&[10, 4]), &t(&[4, 4])), &heads).map(drop), Shape,
            "couple_attention: qkv is 10 channels along axis 1, expected q, k and v of 2 heads, a multiple of 6"),
        ("couple_attention", c.couple_attention(&image, &positioned(&t(&[12, 4]), &t(&[4, 4]), &gamma), &heads).map(drop),
            Shape, "couple_attention: mat_k is [1], expected [9, 1, 2, 2]"),
        ("couple_conv2d", c.couple_conv2d(&t(&[2, 3, 4]), &t(&[3, 3, 1, 1]), &t(&[3])).map(drop), Shape,
            "couple_conv2d: x is [2, 3, 4], expected [B, C, H, W]"),
        ("couple_conv2d", c.couple_conv2d(&image, &t(&[4, 4]), &t(&[4])).map(drop), Shape,
            "couple_conv2d: w is [4, 4], expected [C_out, C_in, KH, KW]"),
        ("couple_conv2d", c.couple_conv2d(&image, &t(&[4, 5, 3, 3]), &t(&[4])).map(drop), Shape,
            "couple_conv2d: w is [4, 5, 3, 3], expected [C_out, 4, KH, KW] for x of [2, 4, 3, 3]"),
        ("couple_conv2d", c.couple_conv2d(&image, &t(&[3, 4, 3, 3]), &t(&[4])).map(drop), Shape,
            "couple_conv2d: bias is [4], expected [3]"),
        ("energy", c.energy(&image, &t(&[2, 4, 9]), None).map(drop), Shape,
            "energy: y is [2, 4, 9], expected [2, 4, 3, 3]"),
        ("energy", c.energy(&image, &image, Some(&t(&[4]))).map(drop), Shape,
            "energy: c is [4], expected [2, 4, 3, 3]"),
        ("energy", c.energy(&t(&[]), &t(&[]), None).map(drop), Shape,
            "energy: x is a scalar, expected a first axis of samples"),
        ("noise", c.noise(Stream::default(), Distribution::Uniform, &[], DType::F32).map(drop), Shape,
            "noise: shape is [], expected a first axis of samples"),
        ("noise", c.noise_bits(Stream::default(), &[]).map(drop), Shape,
            "noise: shape is [], expected a first axis of samples"),
        ("resize_bilinear", c.resize_bilinear(&image, 3, [2, 2]).map(drop), Shape,
            "resize_bilinear: axis is 3, expected the first of two axes of [2, 4, 3, 3]"),
        ("resize_bilinear", c.resize_bilinear(&t(&[2, 0, 3]), 1, [2, 2]).map(drop), Shape,
            "resize_bilinear: x is [2, 0, 3], expected at least one pixel"),
        ("sphere_normalize", c.sphere_normalize(&image, 1, 3).map(drop), Shape,
            "sphere_normalize: x is 4 channels along axis 1, expected a multiple of n = 3"),
        ("sphere_normalize", c.sphere_normalize(&image, 0, 2).map(drop), Shape,
            "sphere_normalize: axis is 0, expected an axis of [2, 4, 3, 3] after the first, which counts samples"),
        ("sphere_normalize", c.sphere_normalize(&image, 4, 2).map(drop), Shape,
            "sphere_normalize: axis is 4, expected an axis of [2, 4, 3, 3] after the first, which counts samples"),
        ("sphere_step", c.sphere_step(&t(&[2, 5]), &t(&[2, 5]), &gamma, None, &step).map(drop), Shape,
            "sphere_step: x is 5 channels along axis 1, expected a multiple of n = 2"),
        ("sphere_step", c.sphere_step(&t(&[1, 3]), &t(&[1, 2]), &gamma, None, &StepOptions::new(3, 1)).map(drop), Shape,
            "sphere_step: y is [1, 2], expected [1, 3]"),
        ("sphere_step", c.sphere_step(&image, &image, &t(&[2]), None, &step).map(drop), Shape,
            "sphere_step: gamma is [2], expected [1]"),
        ("sphere_step", c.sphere_step(&image, &image, &gamma, Some(&t(&[4])), &turning).map(drop), Shape,
            "sphere_step: frequencies is [4], expected [2]"),
    ];
    check(&witness, table);
    // Every argument of every op with an axis too many.
    for op in ops::ALL {
        let Some(case) = example(op) else { continue };
        for (at, port) in case.op.inputs().iter().enumerate() {
            let mut shapes: Vec<Vec<usize>> = case.op.inputs().into_iter().map(|port| port.shape).collect();
            shapes[at].push(2);
            let message = format!("{}: {} is {:?}, expected {:?}", op.name, port.name, shapes[at], port.shape);
            refused(apply(&context, &case, &shapes, |_| &context), Shape, &message);
        }
    }
    #[rustfmt::skip]
    check(&witness, vec![
        ("from_slice", Tensor::from_slice(&context, &[1.0; 5], &[2, 3], DType::F32).map(drop), Shape,
            "Tensor::from_slice: data has 5 elements, expected the product of [2, 3]"),
        ("from_u32", Tensor::from_u32(&context, &[1; 5], &[2, 3]).map(drop), Shape,
            "Tensor::from_u32: data has 5 elements, expected the product of [2, 3]"),
        ("reshape", image.reshape(&[8, 8]).map(drop), Shape,
            "Tensor::reshape: shape is [8, 8], expected the product of [2, 4, 3, 3]"),
        ("slice", image.slice(64, &[9]).map(drop), ErrorKind::Index,
            "Tensor::slice: [9] from element 64 ends past the 72 elements of [2, 4, 3, 3]"),
        ("slice", image.slice(usize::MAX, &[2]).map(drop), ErrorKind::Index,
            "Tensor::slice: [2] from element 18446744073709551615 ends past the 72 elements of [2, 4, 3, 3]"),
    ]);
    Ok(())
}

#[test]
fn element_types_that_do_not_agree_are_refused() -> Result<()> {
    let context = device();
    let witness = Witness::new(&context);
    let (x, integers) = (tensor(&context, &[4]), Tensor::from_u32(&context, &[1, 2, 3, 4], &[4])?);
    let mut c = context.commands();
    use ErrorKind::DType as D;
    #[rustfmt::skip]
    check(&witness, vec![
        ("add", c.add(&x, &integers).map(drop), D, "add: b is u32, expected f32"),
        ("add", c.add(&integers, &integers).map(drop), D, "add: storage is u32, expected f32 or f16"),
        ("cast", c.cast(&integers, DType::F32).map(drop), D, "cast: x is u32, expected f32 or f16"),
        ("cast", c.cast(&x, DType::U32).map(drop), D, "cast: to is u32, expected f32 or f16"),
        ("fill", c.fill(1.0, &[4], DType::U32).map(drop), D, "fill: storage is u32, expected f32 or f16"),
        ("noise", c.noise(Stream::default(), Distribution::Uniform, &[2], DType::U32).map(drop), D,
            "noise: storage is u32, expected f32 or f16"),
        ("from_slice", Tensor::from_slice(&context, &[1.0], &[1], DType::U32).map(drop), D,
            "Tensor::from_slice: dtype is u32, expected f32 or f16"),
        ("dispatch", run_toy(&mut c, &integers, &x), D, "toy: x is u32, expected f32"),
    ]);
    if context.has_f16() {
        let half = Tensor::from_slice(&context, &[1.0; 8], &[2, 4], DType::F16)?;
        let state = tensor(&context, &[2, 4]);
        #[rustfmt::skip]
        check(&witness, vec![
            ("add", c.add(&state, &half).map(drop), D, "add: b is f16, expected f32"),
            ("sphere_step", c.sphere_step(&state, &state, &half.reshape(&[8])?.slice(0, &[1])?, None,
                &StepOptions::new(2, 1)).map(drop), D, "sphere_step: gamma is f16, expected f32"),
            ("read_u32", c.read_u32(&half).map(drop), D, "read_u32: tensor is f16, expected u32 or f32"),
        ]);
    }
    Ok(())
}

#[test]
fn arguments_out_of_range_are_refused_by_commands_and_on_both_tapes() -> Result<()> {
    let context = device();
    let witness = Witness::new(&context);
    let t = |shape: &[usize]| tensor(&context, shape);
    let (x, gamma, w) = (t(&[2, 6]), t(&[1]), t(&[1]));
    let even = StepOptions::new(2, 1);
    let still = ConvOptions { stride: [1, 0], ..ConvOptions::default() };
    let one = "at least 2 components (one cannot rotate)";
    use ErrorKind::Param;
    let mut c = context.commands();
    #[rustfmt::skip]
    check(&witness, vec![
        ("n", c.sphere_normalize(&x, 1, 1).map(drop), Param, &format!("sphere_normalize: n is 1, expected {one}")),
        ("n", c.sphere_normalize(&x, 1, 0).map(drop), Param, &format!("sphere_normalize: n is 0, expected {one}")),
        ("n", c.sphere_step(&x, &x, &gamma, None, &StepOptions::new(1, 1)).map(drop), Param,
            &format!("sphere_step: n is 1, expected {one}")),
        ("odd n", c.sphere_step(&x, &x, &gamma, Some(&w), &StepOptions::new(3, 1).rotation(Rotation::Global)).map(drop),
            Param, "sphere_step: n is 3, expected even with frequencies, which turn pairs of components"),
        ("given", c.sphere_step(&x, &x, &gamma, Some(&w), &even).map(drop), Param,
            "sphere_step: frequencies is given, expected none with rotation None"),
        ("given", c.sphere_step(&x, &x, &gamma, Some(&w), &even.rotation(Rotation::Identity)).map(drop), Param,
            "sphere_step: frequencies is given, expected none with rotation Identity"),
        ("missing", c.sphere_step(&x, &x, &gamma, None, &even.rotation(Rotation::Global)).map(drop), Param,
            "sphere_step: frequencies is missing, expected one tensor with rotation Global"),
        ("scale", c.scale(f32::NAN, &x).map(drop), Param, "scale: alpha is NaN, expected a finite number"),
        ("axpy", c.axpy(f32::INFINITY, &x, &x).map(drop), Param, "axpy: alpha is inf, expected a finite number"),
        ("fill", c.fill(f32::NEG_INFINITY, &[2], DType::F32).map(drop), Param,
            "fill: value is -inf, expected a finite number"),
        ("kernel", c.couple_conv2d(&t(&[1, 1, 2, 2]), &t(&[1, 1, 2, 3]), &t(&[1])).map(drop), Param,
            "couple_conv2d: kernel is 2 x 3, expected odd, so that it has a centre"),
        ("kernel", c.couple_conv2d(&t(&[1, 1, 2, 2]), &t(&[1, 1, 3, 0]), &t(&[1])).map(drop), Param,
            "couple_conv2d: kernel is 3 x 0, expected odd, so that it has a centre"),
        ("stride", c.conv2d(&t(&[1, 1, 2, 2]), &t(&[1, 1, 1, 1]), None, still).map(drop), Param,
            "conv2d: stride is [1, 0], expected at least 1"),
    ]);
    for mut tape in [Tape::new(&context), Tape::reference()] {
        let upload = |tape: &mut Tape, shape: &[usize]| -> Result<_> {
            let value = tape.upload(&vec![0.5f32; shape.iter().product()], shape, DType::F32)?;
            Ok(tape.leaf(value))
        };
        let (x, gamma) = (upload(&mut tape, &[2, 6])?, upload(&mut tape, &[1])?);
        refused(tape.add(x, gamma), ErrorKind::Shape, "add: b is [1], expected [2, 6]");
        refused(tape.scale(f32::NAN, x), Param, "scale: alpha is NaN, expected a finite number");
        refused(tape.axpy(f32::NAN, x, x), Param, "axpy: alpha is NaN, expected a finite number");
        refused(tape.sphere_normalize(x, 1, 1), Param, &format!("sphere_normalize: n is 1, expected {one}"));
        refused(
            tape.sphere_step(x, x, gamma, None, &even.rotation(Rotation::PerPair)),
            Param,
            "sphere_step: frequencies is missing, expected one tensor with rotation PerPair",
        );
        refused(tape.cast(x, DType::U32), ErrorKind::DType, "cast: to is u32, expected f32 or f16");
    }
    Ok(())
}

#[test]
fn empty_tensors_are_fine_in_every_op() -> Result<()> {
    // Checked, so that the checks themselves meet empty tensors too.
    let context = sibling(&device()).checked();
    for mut tape in [Tape::new(&context), Tape::reference()] {
        let leaf = |tape: &mut Tape, shape: &[usize]| -> Result<_> {
            let value = tape.upload(&vec![0.5f32; shape.iter().product()], shape, DType::F32)?;
            Ok(tape.leaf(value))
        };
        let x = leaf(&mut tape, &[0, 4, 3, 3])?;
        let (w, bias) = (leaf(&mut tape, &[4, 4, 3, 3])?, leaf(&mut tape, &[4])?);
        let (gamma, frequencies) = (leaf(&mut tape, &[1])?, leaf(&mut tape, &[2])?);
        let y = tape.couple_conv2d(x, w, bias)?;
        let y = tape.add(y, x)?;
        let y = tape.axpy(2.0, y, x)?;
        let y = tape.scale(2.0, y)?;
        let y = tape.cast(y, DType::F32)?;
        let options = StepOptions::new(2, 1).rotation(Rotation::PerPair);
        let (x1, e) = tape.sphere_step(x, y, gamma, Some(frequencies), &options)?;
        let x2 = tape.sphere_normalize(x1, 1, 2)?;
        let energies = [e, tape.energy(x2, y, None)?, tape.energy(x2, y, Some(x))?];
        for energy in energies {
            assert_eq!(tape.spec(energy)?.shape, [0]);
            assert_eq!(tape.read(energy)?, []);
        }
        for (name, var) in [("add", y), ("sphere_step", x1), ("sphere_normalize", x2)] {
            assert_eq!(tape.spec(var)?.shape, [0, 4, 3, 3], "{name}");
            assert_eq!(tape.read(var)?, [], "{name}");
        }
        let filled = tape.fill(1.0, &[0, 3], DType::F32)?;
        let noise = tape.noise(Stream::default(), Distribution::Gaussian, &[0, 3], DType::F32)?;
        assert_eq!((tape.read(filled)?, tape.read(noise)?), (vec![], vec![]));
        // The sum over nothing is zero, and so are the gradients through it.
        let dot = tape.dot(x2, y)?;
        assert_eq!(tape.read(dot)?, [0.0]);
        let grads = tape.backward(dot)?;
        assert_eq!(grads.read(&mut tape, w)?, vec![0.0; 4 * 4 * 9]);
        assert_eq!(grads.read(&mut tape, bias)?, vec![0.0; 4]);
        assert_eq!(grads.read(&mut tape, gamma)?, [0.0]);
        assert_eq!(grads.read(&mut tape, frequencies)?, [0.0; 2]);
        assert_eq!(grads.read(&mut tape, x)?, []);
        // Samples of no elements have energy zero, and images without input channels the bias.
        let nothing = leaf(&mut tape, &[2, 0])?;
        let energy = tape.energy(nothing, nothing, None)?;
        assert_eq!(tape.read(energy)?, [0.0, 0.0]);
        let (x, w) = (leaf(&mut tape, &[1, 0, 2, 1])?, leaf(&mut tape, &[4, 0, 3, 3])?);
        let y = tape.couple_conv2d(x, w, bias)?;
        assert_eq!(tape.read(y)?, vec![0.5; 8]);
    }
    let empty = Tensor::from_slice(&context, &[], &[3, 0], DType::F32)?;
    let mut commands = context.commands();
    assert_eq!(commands.read(&empty)?, []);
    let copy = commands.copy(&empty)?;
    assert_eq!((copy.shape(), commands.read(&copy)?), (&[3, 0][..], vec![]));
    assert_eq!(Tensor::from_u32(&context, &[], &[0]).map(|t| t.len())?, 0);
    Ok(())
}

#[test]
fn a_checked_context_refuses_nan_and_infinity_wherever_they_are() -> Result<()> {
    let context = sibling(&device()).checked();
    let witness = Witness::new(&context);
    // 131 is past two workgroups and odd; 77 is in the middle of a word of f16.
    const LEN: usize = 131;
    for dtype in common::dtypes(&context) {
        let clean = Tensor::from_slice(&context, &numbers(1, LEN), &[LEN], *dtype)?;
        for (at, value) in [(0, f32::NAN), (LEN - 1, f32::INFINITY), (77, f32::NEG_INFINITY)] {
            let mut data = numbers(1, LEN);
            data[at] = value;
            let bad = Tensor::from_slice(&context, &data, &[LEN], *dtype)?;
            let message = |name: &str| {
                format!("add: {name} is not finite at 1 elements, the first at index {at}, expected finite numbers")
            };
            let mut c = context.commands();
            let (a, b) = (message("a"), message("b"));
            check(
                &witness,
                vec![
                    ("a", c.add(&bad, &clean).map(drop), ErrorKind::NonFinite, &a),
                    ("b", c.add(&clean, &bad).map(drop), ErrorKind::NonFinite, &b),
                ],
            );
        }
        // The largest finite numbers pass.
        let largest = if *dtype == DType::F16 { 65504.0 } else { f32::MAX };
        let full = Tensor::from_slice(&context, &[largest, -largest, 0.0], &[3], *dtype)?;
        context.commands().scale(0.5, &full)?;
        let mut data = numbers(2, LEN);
        (data[5], data[40], data[130]) = (f32::NAN, f32::NAN, f32::INFINITY);
        let bad = Tensor::from_slice(&context, &data, &[LEN], *dtype)?;
        refused(
            context.commands().scale(1.0, &bad),
            ErrorKind::NonFinite,
            "scale: x is not finite at 3 elements, the first at index 5, expected finite numbers",
        );
    }
    // Off by default: the check costs a readback.
    let unchecked = device();
    let bad = Tensor::from_slice(&unchecked, &[f32::NAN], &[1], DType::F32)?;
    unchecked.commands().scale(1.0, &bad)?;
    Ok(())
}

#[test]
fn a_checked_context_refuses_states_off_the_sphere() -> Result<()> {
    let context = sibling(&device()).checked();
    let witness = Witness::new(&context);
    let gamma = Tensor::from_slice(&context, &[0.5], &[1], DType::F32)?;
    let step = |state: &[f32], dtype: DType| -> Result<()> {
        let x = Tensor::from_slice(&context, state, &[1, 6, 11], dtype)?;
        let mut commands = context.commands();
        commands.sphere_step(&x, &x, &gamma, None, &StepOptions::new(3, 1))?;
        commands.submit()
    };
    for dtype in common::dtypes(&context) {
        let good = unit(3, 2, 3, 11);
        step(&good, *dtype)?;
        let allowed = if *dtype == DType::F16 { "3.90625e-3" } else { "4e-6" };
        let message = |by: &str| {
            format!(
                "sphere_step: x is off the unit sphere, | |x|^2 - 1 | is up to {by}, \
                 expected at most {allowed}; call sphere_normalize first"
            )
        };
        // Oscillator 0 at position 10, and the last one: a state of twice the length, and none at all.
        for (first, factor, by) in [(10, [2.0, 0.0, 0.0], "3e0"), (43, [0.0, 0.0, 0.0], "1e0")] {
            let mut state = good.clone();
            (0..3).for_each(|k| state[first + 11 * k] = factor[k]);
            check(&witness, vec![("step", step(&state, *dtype), ErrorKind::NotUnit, &message(by))]);
        }
        // A relative error of 1/128 in the norm is past what rounding explains in either type.
        for factor in [127.0 / 128.0, 129.0 / 128.0] {
            let mut state = good.clone();
            (0..3).for_each(|k| state[7 + 11 * k] *= factor);
            let error = error_of(step(&state, *dtype), "off the unit sphere");
            assert_eq!(error.kind(), ErrorKind::NotUnit, "{error}");
        }
    }
    Ok(())
}

fn small() -> wgpu::Limits {
    wgpu::Limits {
        max_storage_buffer_binding_size: 4096,
        max_compute_workgroups_per_dimension: 4,
        ..wgpu::Limits::default()
    }
}

#[test]
fn more_than_the_device_binds_is_refused() -> Result<()> {
    let context = noop(small(), wgpu::Features::empty());
    let fits = Tensor::from_slice(&context, &[1.0; 1024], &[1024], DType::F32)?;
    let host = context.device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 8192,
        usage: wgpu::BufferUsages::STORAGE,
        mapped_at_creation: false,
    });
    let mut c = context.commands();
    use ErrorKind::Limit;
    refused(
        Tensor::from_slice(&context, &[1.0; 1025], &[1025], DType::F32),
        Limit,
        "Tensor::from_slice: [1025] in f32 is 4100 bytes, the device binds at most 4096; split it",
    );
    refused(
        c.empty(&[5, 205], DType::U32),
        Limit,
        "Commands::empty: [5, 205] in u32 is 4100 bytes, the device binds at most 4096; split it",
    );
    refused(
        Tensor::wrap(&context, &host, 0, &[1025], DType::F32),
        Limit,
        "Tensor::wrap: [1025] in f32 is 4100 bytes, the device binds at most 4096",
    );
    // An output that is too large although the inputs fit.
    let x = Tensor::from_slice(&context, &[1.0; 1024], &[1, 1, 32, 32], DType::F32)?;
    let w = Tensor::from_slice(&context, &[1.0; 2], &[2, 1, 1, 1], DType::F32)?;
    let bias = Tensor::from_slice(&context, &[1.0; 2], &[2], DType::F32)?;
    refused(
        c.couple_conv2d(&x, &w, &bias),
        Limit,
        "Commands::empty: [1, 2, 32, 32] in f32 is 8192 bytes, the device binds at most 4096; split it",
    );
    c.scale(2.0, &fits)?;
    c.submit()
}

#[test]
fn more_than_a_buffer_holds_is_refused() -> Result<()> {
    let context = noop(wgpu::Limits { max_buffer_size: 1 << 16, ..wgpu::Limits::default() }, wgpu::Features::empty());
    let fits = Tensor::from_slice(&context, &[1.0; 1 << 14], &[1 << 14], DType::F32)?;
    let before = context.counters();
    refused(
        Tensor::from_slice(&context, &[1.0; (1 << 14) + 1], &[(1 << 14) + 1], DType::F32),
        ErrorKind::Limit,
        "Tensor::from_slice: a buffer of 65792 bytes exceeds max_buffer_size = 65536",
    );
    assert_eq!(context.counters().allocated_bytes, before.allocated_bytes, "the refused buffer is counted");
    context.commands().add(&fits, &fits)?;
    Ok(())
}

#[test]
fn a_grid_folds_up_to_the_square_of_the_device_limit() -> Result<()> {
    let limits = wgpu::Limits { max_storage_buffer_binding_size: 1 << 20, ..small() };
    let context = noop(limits, wgpu::Features::empty());
    let mut c = context.commands();
    for workgroups in 1..=16 {
        c.fill(1.0, &[workgroups * 64], DType::F32)?;
        c.fill(1.0, &[workgroups * 64 - 63], DType::F32)?;
    }
    refused(
        c.fill(1.0, &[16 * 64 + 1], DType::F32),
        ErrorKind::Limit,
        "fill: 17 workgroups, the device dispatches at most 4 x 4",
    );
    c.submit()
}

#[test]
fn kernels_with_more_bindings_than_the_device_has_are_refused() -> Result<()> {
    let limits = wgpu::Limits { max_storage_buffers_per_shader_stage: 4, ..wgpu::Limits::default() };
    let context = noop(limits, wgpu::Features::empty());
    let (x, gamma) = (tensor(&context, &[1, 2]), tensor(&context, &[1]));
    let mut c = context.commands();
    refused(
        c.sphere_step(&x, &x, &gamma, None, &StepOptions::new(2, 1)),
        ErrorKind::Limit,
        "sphere_step_reg: 6 storage buffers, the device binds at most 4",
    );
    c.energy(&x, &x, None).map(drop)
}

#[test]
fn a_folded_grid_reaches_every_element() -> Result<()> {
    let context = device();
    let line = context.device().limits().max_compute_workgroups_per_dimension as usize * 64;
    // One row of workgroups, just less and just more; the last also ends within a workgroup of the second row.
    for len in [line - 1, line, line + 1, line + 4097] {
        let mut c = context.commands();
        let filled = c.fill(1.5, &[len], DType::F32)?;
        let got = c.read(&filled)?;
        assert_eq!(got.iter().position(|v| *v != 1.5), None, "{len}: an element was left out");
        // These depend on the index: an element computed at another's place would show.
        let stream = Stream { seed: 7, ..Stream::default() };
        let bits = c.noise_bits(stream, &[1, len])?;
        let got = c.read_u32(&bits)?;
        for e in (0..len).step_by(65_521).chain(len - 200..len) {
            let block = kuramoto::cpu::noise::philox([e as u32 / 4, 0, 0, 0], [7, 0]);
            assert_eq!(got[e], block[e % 4], "{len}: element {e}");
        }
    }
    context.trim();
    Ok(())
}

#[test]
fn what_32_bit_indices_do_not_reach_is_refused_before_anything_is_allocated() -> Result<()> {
    let context = device();
    let witness = Witness::new(&context);
    let huge: &[usize] = &[1 << 20, 1 << 12];
    let wraps: &[usize] = &[usize::MAX, 3];
    let reach = "has more elements than 32-bit indices reach (4294967295)";
    let before = context.counters();
    let mut c = context.commands();
    let options = StepOptions::new(2, 1);
    let image = tensor(&context, &[1, 1, 64, 64]);
    let messages = [
        format!("Tensor::from_slice: [1048576, 4096] {reach}"),
        format!("Tensor::from_slice: [18446744073709551615, 3] {reach}"),
        format!("Commands::empty: [1048576, 4096] {reach}"),
        format!("sphere_normalize: [1048576, 4096] {reach}"),
        format!("sphere_step: [18446744073709551614, 2, 2] {reach}"),
        format!("Tensor::reshape: [1048576, 4096] {reach}"),
    ];
    use ErrorKind::Index;
    #[rustfmt::skip]
    check(&witness, vec![
        ("upload", Tensor::from_slice(&context, &[], huge, DType::F32).map(drop), Index, &messages[0]),
        ("upload", Tensor::from_slice(&context, &[], wraps, DType::F32).map(drop), Index, &messages[1]),
        ("fill", c.fill(0.0, huge, DType::F32).map(drop), Index, &messages[2]),
        ("noise", c.noise(Stream::default(), Distribution::Uniform, huge, DType::F32).map(drop), Index, &messages[2]),
        ("noise bits", c.noise_bits(Stream::default(), huge).map(drop), Index, &messages[2]),
        ("normalize", ops::sphere_normalize::SphereNormalize::new(huge, 1, 2).map(drop), Index, &messages[3]),
        ("step", ops::sphere_step::SphereStep::new(&[usize::MAX - 1, 2, 2], &options).map(drop), Index, &messages[4]),
        ("reshape", image.reshape(huge).map(drop), Index, &messages[5]),
    ]);
    // The output of a coupling may pass the indices that its inputs keep within.
    let x = tensor(&context, &[1, 1, 256, 256]);
    let (w, b) = (x.reshape(&[1 << 16, 1, 1, 1])?, x.reshape(&[1 << 16])?);
    refused(c.couple_conv2d(&x, &w, &b), Index, &format!("Commands::empty: [1, 65536, 256, 256] {reach}"));
    // What these lines upload is small; nothing of the refused sizes came to be.
    assert!(context.counters().allocated_bytes - before.allocated_bytes < 1 << 20);
    Ok(())
}

/// The smallest case of an op in f32 with elements in every input; an op without inputs has none.
fn example(op: &ops::spec::OpSpec) -> Option<ops::spec::Case> {
    let fits = |case: &ops::spec::Case| {
        let inputs = case.op.inputs();
        !inputs.is_empty() && !case.bench && inputs.iter().all(|port| !port.is_empty())
    };
    let size = |case: &ops::spec::Case| case.op.inputs().iter().map(ops::spec::Port::len).sum::<usize>();
    let usable = |case: &ops::spec::Case| fits(case) && case.op.dtype().is_none_or(|only| only == DType::F32);
    (op.cases)().into_iter().filter(usable).min_by_key(size)
}

/// Applies the op of `case` to zeros of these extents, each in the context that `owner` names.
fn apply<'a>(
    context: &Context,
    case: &ops::spec::Case,
    shapes: &[Vec<usize>],
    owner: impl Fn(usize) -> &'a Context,
) -> Result<()> {
    let mut tape = Tape::new(context);
    let mut vars = Vec::new();
    for (i, (port, shape)) in case.op.inputs().iter().zip(shapes).enumerate() {
        let len = shape.iter().product();
        let tensor = match port.spec(DType::F32).dtype {
            DType::U32 => Tensor::from_u32(owner(i), &vec![0; len], shape)?,
            dtype => Tensor::from_slice(owner(i), &vec![0.0; len], shape, dtype)?,
        };
        vars.push(tape.leaf(tensor));
    }
    case.op.apply(&mut tape, &vars).map(drop)
}

/// Calls every op that takes tensors with `tensors`, in the order of its ports; returns its name and those ports.
fn call(c: &mut Commands, op: &str, tensors: &[Tensor]) -> Result<()> {
    let t = tensors;
    let options = StepOptions::new(2, 1).rotation(Rotation::PerPair);
    match op {
        "add" => c.add(&t[0], &t[1]).map(drop),
        "axpy" => c.axpy(2.0, &t[0], &t[1]).map(drop),
        "cast" => c.cast(&t[0], DType::F32).map(drop),
        "scale" => c.scale(2.0, &t[0]).map(drop),
        "dot" => c.dot(&t[0], &t[1]).map(drop),
        "energy" => c.energy(&t[0], &t[1], Some(&t[2])).map(drop),
        "couple_conv2d" => c.couple_conv2d(&t[0], &t[1], &t[2]).map(drop),
        // Its projections are calls of linear.
        "couple_attention" => {
            let core = CoupleAttention::new(&[1, 6, 1], [true; 4], &AttentionOptions::new(1, 1))?;
            c.apply(&core, &[&t[0], &t[1], &t[2], &t[3], &t[4]]).map(drop)
        }
        "resize_bilinear" => c.resize_bilinear(&t[0], 0, [1, 1]).map(drop),
        "conv2d" => c.conv2d(&t[0], &t[1], Some(&t[2]), ConvOptions::default()).map(drop),
        "matmul" => c.matmul(&t[0], &t[1], MatmulOptions::default()).map(drop),
        "linear" => c.linear(&t[0], &t[1], Some(&t[2]), 1).map(drop),
        "sphere_normalize" => c.sphere_normalize(&t[0], 1, 2).map(drop),
        "sphere_step" => c.sphere_step(&t[0], &t[1], &t[2], Some(&t[3]), &options).map(drop),
        other => panic!("{other} is not in the table"),
    }
}

/// The arguments of an op and their extents.
type Arguments = &'static [(&'static str, &'static [usize])];

const ARGUMENTS: &[(&str, Arguments)] = &[
    ("add", &[("a", &[3]), ("b", &[3])]),
    ("axpy", &[("x", &[3]), ("y", &[3])]),
    ("scale", &[("x", &[3])]),
    ("cast", &[("x", &[3])]),
    ("dot", &[("a", &[3]), ("b", &[3])]),
    ("energy", &[("x", &[2, 3]), ("y", &[2, 3]), ("c", &[2, 3])]),
    ("couple_conv2d", &[("x", &[1, 1, 2, 2]), ("w", &[1, 1, 1, 1]), ("bias", &[1])]),
    ("conv2d", &[("x", &[1, 1, 2, 2]), ("w", &[1, 1, 1, 1]), ("bias", &[1])]),
    ("matmul", &[("a", &[2, 3]), ("b", &[3, 1])]),
    ("linear", &[("x", &[2, 3]), ("w", &[1, 3]), ("bias", &[1])]),
    (
        "couple_attention",
        &[
            ("qkv", &[1, 6, 1]),
            ("mat_q", &[1, 1, 2, 2]),
            ("mat_k", &[1, 1, 2, 2]),
            ("mat_v", &[1, 1, 2, 2]),
            ("mat_o", &[1, 1, 2, 2]),
        ],
    ),
    ("resize_bilinear", &[("x", &[2, 2])]),
    ("sphere_normalize", &[("x", &[1, 2])]),
    ("sphere_step", &[("x", &[1, 2]), ("y", &[1, 2]), ("gamma", &[1]), ("frequencies", &[1])]),
];

#[test]
fn tensors_of_another_context_are_refused_in_every_argument_of_every_op() -> Result<()> {
    let context = device();
    let witness = Witness::new(&context);
    // On the same device wgpu would not notice; on another it would write the wrong buffer or panic.
    for other in [sibling(&context), own_device()] {
        for checked in [false, true] {
            let context = if checked { sibling(&context).checked() } else { context.clone() };
            for (op, arguments) in ARGUMENTS {
                for (at, (name, _)) in arguments.iter().enumerate() {
                    let tensors: Vec<Tensor> = arguments
                        .iter()
                        .enumerate()
                        .map(|(i, (_, shape))| {
                            let len = shape.iter().product();
                            let owner = if i == at { &other } else { &context };
                            // A unit state where one is wanted.
                            let data: Vec<f32> = (0..len).map(|e| if e == 0 { 1.0 } else { 0.0 }).collect();
                            Tensor::from_slice(owner, &data, shape, DType::F32).unwrap()
                        })
                        .collect();
                    let message = format!("{op}: {name} belongs to another context; wrap its buffer");
                    refused(call(&mut context.commands(), op, &tensors), ErrorKind::Foreign, &message);
                }
            }
        }
        for op in ops::ALL.iter().filter(|op| ARGUMENTS.iter().all(|(name, _)| *name != op.name)) {
            let Some(case) = example(op) else { continue };
            let ports = case.op.inputs();
            let shapes: Vec<Vec<usize>> = ports.iter().map(|port| port.shape.clone()).collect();
            for (at, port) in ports.iter().enumerate() {
                let message = format!("{}: {} belongs to another context; wrap its buffer", op.name, port.name);
                let owner = |i| if i == at { &other } else { &context };
                refused(apply(&context, &case, &shapes, owner), ErrorKind::Foreign, &message);
            }
        }
        let stranger = tensor(&other, &[3]);
        let mut c = context.commands();
        #[rustfmt::skip]
        check(&witness, vec![
            ("read", c.read(&stranger).map(drop), ErrorKind::Foreign, "read: the tensor belongs to another context"),
            ("copy", c.copy(&stranger).map(drop), ErrorKind::Foreign, "copy: the tensor belongs to another context"),
            ("dispatch", run_toy(&mut c, &tensor(&context, &[3]), &stranger), ErrorKind::Foreign,
                "toy: dst belongs to another context; wrap its buffer"),
        ]);
        assert_eq!(bits(&stranger)?, bits(&tensor(&other, &[3]))?);
    }
    Ok(())
}

#[test]
fn buffers_of_a_host_that_do_not_serve_are_refused() -> Result<()> {
    let context = device();
    let witness = Witness::new(&context);
    let alignment = u64::from(context.device().limits().min_storage_buffer_offset_alignment);
    let buffer = |size: u64, usage| {
        context.device().create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false })
    };
    let storage = buffer(1024, wgpu::BufferUsages::STORAGE);
    let copies = buffer(1024, wgpu::BufferUsages::COPY_SRC);
    let wrap = |buffer: &wgpu::Buffer, offset: u64, len: usize| {
        Tensor::wrap(&context, buffer, offset, &[len], DType::F32).map(drop)
    };
    let sized = "Tensor::wrap: buffer is 1024 bytes, expected at least";
    let after = format!("{sized} {}", alignment + 1024);
    let far = format!("{sized} {}", (1u64 << 40) + 4);
    let misaligned = format!("Tensor::wrap: offset is 4, expected a multiple of {alignment}");
    let split = format!("Tensor::slice: first byte is 4, expected a multiple of {alignment}");
    let unread = Tensor::wrap(&context, &storage, 0, &[8], DType::F32)?;
    let mut c = context.commands();
    use ErrorKind::Buffer;
    wrap(&storage, 0, 256)?;
    wrap(&storage, 1024 - alignment, alignment as usize / 4)?;
    let mut table: Vec<Mistake> = vec![
        ("too small", wrap(&storage, 0, 257), Buffer, "Tensor::wrap: buffer is 1024 bytes, expected at least 1028"),
        ("too small behind the offset", wrap(&storage, alignment, 256), Buffer, &after),
        ("offset past the end", wrap(&storage, 1 << 40, 1), Buffer, &far),
        (
            "empty past the end",
            wrap(&storage, 1024, 0),
            Buffer,
            "Tensor::wrap: buffer is 1024 bytes, expected at least 1028",
        ),
        (
            "no storage",
            wrap(&copies, 0, 4),
            Buffer,
            "Tensor::wrap: buffer's usage is BufferUsages(COPY_SRC), expected STORAGE among it",
        ),
        (
            "unreadable",
            c.read(&unread).map(drop),
            Buffer,
            "read: buffer's usage is BufferUsages(STORAGE), expected COPY_SRC among it",
        ),
        (
            "unreadable",
            c.copy(&unread).map(drop),
            Buffer,
            "copy: buffer's usage is BufferUsages(STORAGE), expected COPY_SRC among it",
        ),
    ];
    if alignment > 4 {
        table.push(("misaligned", wrap(&storage, 4, 4), Buffer, &misaligned));
        table.push(("misaligned", unread.slice(1, &[1]).map(drop), Buffer, &split));
    }
    check(&witness, table);
    Ok(())
}

#[test]
fn an_output_that_shares_its_buffer_is_refused() -> Result<()> {
    let context = device();
    let witness = Witness::new(&context);
    let buffer = context.device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 4096,
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC,
        mapped_at_creation: false,
    });
    let wrap = |offset| Tensor::wrap(&context, &buffer, offset, &[8], DType::F32);
    // wgpu tracks hazards per buffer, so disjoint ranges are no better than overlapping ones.
    let (low, high) = (wrap(0)?, wrap(2048)?);
    let ours = tensor(&context, &[1024]);
    let (head, tail) = (ours.slice(0, &[8])?, ours.slice(512, &[8])?);
    let message = "toy: output dst shares its buffer with x; use separate ones";
    let mut c = context.commands();
    check(
        &witness,
        vec![
            ("itself", run_toy(&mut c, &low, &low), ErrorKind::Aliasing, message),
            ("wrapped twice", run_toy(&mut c, &low, &wrap(0)?), ErrorKind::Aliasing, message),
            ("disjoint", run_toy(&mut c, &low, &high), ErrorKind::Aliasing, message),
            ("slices", run_toy(&mut c, &head, &tail), ErrorKind::Aliasing, message),
        ],
    );
    // Two readers may share.
    let sum = c.add(&head, &tail)?;
    run_toy(&mut c, &low, &sum)?;
    assert_eq!(c.read(&sum)?, [1.0; 8]);
    Ok(())
}

#[test]
fn features_that_the_device_was_created_without_are_refused() -> Result<()> {
    let (device, queue, info) = host_device(|_| wgpu::Features::empty());
    let buffer = device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 64,
        usage: wgpu::BufferUsages::STORAGE,
        mapped_at_creation: false,
    });
    let context = Context::from_wgpu(device, queue, info);
    let witness = Witness::new(&context);
    let half = Tensor::wrap(&context, &buffer, 0, &[8], DType::F16)?;
    let mut c = context.commands();
    use ErrorKind::Feature;
    let hint = "the device was created without SHADER_F16; see Context::required_features";
    assert!(!context.has_f16());
    #[rustfmt::skip]
    check(&witness, vec![
        ("upload", Tensor::from_slice(&context, &[1.0], &[1], DType::F16).map(drop), Feature,
            &format!("Tensor::from_slice: {hint}")),
        ("empty", c.empty(&[1], DType::F16).map(drop), Feature, &format!("Commands::empty: {hint}")),
        ("fill", c.fill(1.0, &[1], DType::F16).map(drop), Feature, &format!("Commands::empty: {hint}")),
        ("cast", c.cast(&witness.x, DType::F16).map(drop), Feature, &format!("Commands::empty: {hint}")),
        // The output is f32, so the kernel itself is the first to need the feature.
        ("widen", c.cast(&half, DType::F32).map(drop), Feature, &format!("cast: {hint}")),
        ("profile", context.profile(|c| c.scale(1.0, &witness.x)).map(drop), Feature,
            "profile: the device was created without TIMESTAMP_QUERY; see Context::required_features"),
    ]);
    Ok(())
}

/// A small computation with every default kernel of a step.
fn golden(context: &Context) -> Result<Vec<u32>> {
    let x = Tensor::from_slice(context, &unit(1, 4, 2, 9), &[2, 4, 3, 3], DType::F32)?;
    let (w, bias) = (tensor(context, &[4, 4, 3, 3]), tensor(context, &[4]));
    let gamma = Tensor::from_slice(context, &[0.5], &[1], DType::F32)?;
    let mut c = context.commands();
    let y = c.couple_conv2d(&x, &w, &bias)?;
    let (x, energy) = c.sphere_step(&x, &y, &gamma, None, &StepOptions::new(2, 1))?;
    let mut all = c.read_u32(&x)?;
    all.extend(c.read_u32(&energy)?);
    Ok(all)
}

#[test]
fn after_a_device_is_lost_every_call_says_so_and_a_new_context_repeats_the_result() -> Result<()> {
    let context = own_device();
    let result = golden(&context)?;
    let x = tensor(&context, &[7]);
    let mut recorded = context.commands();
    let y = recorded.scale(2.0, &x)?;
    context.device().destroy();
    // wgpu tells of a loss at the next poll; the first call that needs an answer polls.
    let error = error_of(recorded.read(&y), "the device was lost");
    assert_eq!(error.kind(), ErrorKind::DeviceLost, "{error}");
    assert!(!error.is_recoverable());
    let message = error.to_string();
    assert!(message.starts_with("the device was lost (Destroyed): "), "{message}");
    let lost = |result: Result<()>| refused(result, ErrorKind::DeviceLost, &message);
    lost(Tensor::from_slice(&context, &[1.0], &[1], DType::F32).map(drop));
    lost(recorded.submit());
    lost(recorded.read(&x).map(drop));
    lost(recorded.read_u32(&x).map(drop));
    lost(recorded.read_async(&x).map(drop));
    lost(recorded.scale(2.0, &x).map(drop));
    lost(recorded.empty(&[1], DType::F32).map(drop));
    lost(context.commands().fill(1.0, &[1], DType::F32).map(drop));
    lost(context.commands().submit());
    lost(context.wait());
    lost(Tape::new(&context).fill(1.0, &[1], DType::F32).map(drop));
    if context.device().features().contains(wgpu::Features::TIMESTAMP_QUERY) {
        lost(context.profile(|c| c.fill(1.0, &[1], DType::F32)).map(drop));
    }
    drop((x, y, recorded, context));
    assert_eq!(golden(&own_device())?, result);
    Ok(())
}

#[test]
fn a_lost_device_whose_host_did_not_tell_us_is_noticed_by_the_next_read() -> Result<()> {
    for told in [false, true] {
        let (device, queue, info) = host_device(|_| wgpu::Features::empty());
        let context = Context::from_wgpu(device.clone(), queue, info);
        if told {
            device.set_device_lost_callback(context.device_lost_handler());
        }
        let x = tensor(&context, &[7]);
        bits(&x)?;
        device.destroy();
        let error = error_of(context.commands().read(&x), "lost");
        assert_eq!(error.kind(), ErrorKind::DeviceLost, "told: {told}: {error}");
        refused(context.commands().fill(1.0, &[1], DType::F32), ErrorKind::DeviceLost, &error.to_string());
    }
    Ok(())
}

#[test]
fn a_read_that_a_loss_overtakes_does_not_return_numbers_nobody_computed() -> Result<()> {
    let context = own_device();
    let x = tensor(&context, &[7]);
    let wanted = bits(&x)?;
    let pending = context.commands().read_async(&x)?;
    context.device().destroy();
    // The copy may have finished before the loss; then its data are right. Nothing else is.
    match pollster::block_on(pending) {
        Ok(data) => assert_eq!(data.iter().map(|v| v.to_bits()).collect::<Vec<_>>(), wanted),
        Err(error) => assert_eq!(error.kind(), ErrorKind::DeviceLost, "{error}"),
    }
    let after = error_of(context.commands().read(&x), "lost");
    assert_eq!(after.kind(), ErrorKind::DeviceLost, "{after}");
    Ok(())
}

#[test]
fn past_the_memory_budget_nothing_is_allocated_and_freed_memory_can_be_had_again() -> Result<()> {
    let context = sibling(&device());
    context.set_memory_budget(Some(1 << 20));
    let witness = Witness::new(&context);
    witness.intact();
    let zeros = vec![0.0; 1 << 18];
    let upload = |len: usize| Tensor::from_slice(&context, &zeros[..len], &[len], DType::F32);
    let half = upload(1 << 17)?;
    // A refusal frees what the pool holds; what is left is the witness, rounded up to the pool's 256 bytes, and half.
    let error = error_of(upload(1 << 18), "out of memory");
    let in_use = context.counters().allocated_bytes;
    assert_eq!(in_use, (1 << 19) + 256);
    let message =
        format!("Tensor::from_slice: 1048576 bytes requested with {in_use} in use exceed the budget of 1048576");
    assert_eq!((error.kind(), error.to_string()), (ErrorKind::OutOfMemory, message));
    assert!(error.is_recoverable());
    witness.intact();
    drop(half);
    // Freed memory serves other sizes, and a budget is met exactly.
    let most = upload((1 << 18) - 256)?;
    assert!(context.counters().allocated_bytes <= 1 << 20);
    drop(most);
    upload(1 << 17)?;
    witness.intact();
    Ok(())
}

static MISSPELT: Kernel = toy("misspelt", "@compute @workgroup_size(WG)\nfn main() { let y = undeclared; }\n");

static READS_WHAT_IT_WRITES: Kernel = Kernel {
    name: "contradiction",
    source: Source::new(TOY_TEXT),
    params: Len::FIELDS,
    bindings: &[output("x", Elem::F32, "[len]"), output("dst", Elem::F32, "[len]")],
    constants: &[],
};

#[test]
fn a_kernel_that_does_not_compile_is_refused() -> Result<()> {
    let context = sibling(&device());
    let witness = Witness::new(&context);
    let (x, dst) = (tensor(&context, &[8]), tensor(&context, &[8]));
    let mut c = context.commands();
    for (kernel, start, part) in [
        (&MISSPELT, "misspelt: the kernel was rejected: ", "no definition in scope for identifier: `undeclared`"),
        (&READS_WHAT_IT_WRITES, "contradiction: the kernel was rejected: ", "binding"),
    ] {
        // Twice: a kernel that failed is not kept as if it had compiled.
        for _ in 0..2 {
            let x = if kernel.bindings[0].access == kuramoto::kernel::Access::Write { write(&x) } else { read(&x) };
            let params = Len { len: 8 };
            let result = c.dispatch(kernel, DType::F32, &[], &params, &[x, write(&dst)], Work::invocations(8));
            let error = error_of(result, start);
            let message = error.to_string();
            assert_eq!(error.kind(), ErrorKind::Shader, "{message}");
            assert!(message.starts_with(start) && message.contains(part), "{message}");
            witness.intact();
        }
    }
    Ok(())
}

kuramoto::params! {
    struct Other { len: u32, extra: f32 }
}

#[test]
fn a_kernel_called_against_its_contract_is_refused() -> Result<()> {
    let context = device();
    let witness = Witness::new(&context);
    let (x, dst) = (tensor(&context, &[8]), tensor(&context, &[8]));
    let before = bits(&dst)?;
    let work = Work::invocations(8);
    let params = Len { len: 8 };
    let mut c = context.commands();
    use ErrorKind::Shader;
    #[rustfmt::skip]
    check(&witness, vec![
        ("too few", c.dispatch(&TOY, DType::F32, &[], &params, &[read(&x)], work), Shader,
            "toy: 1 tensors are bound, the contract has 2"),
        ("too many", c.dispatch(&TOY, DType::F32, &[], &params, &[read(&x), read(&x), write(&dst)], work), Shader,
            "toy: 3 tensors are bound, the contract has 2"),
        ("read", c.dispatch(&TOY, DType::F32, &[], &params, &[read(&x), read(&dst)], work), Shader,
            "toy: dst is bound for the wrong access"),
        ("write", c.dispatch(&TOY, DType::F32, &[], &params, &[write(&x), write(&dst)], work), Shader,
            "toy: x is bound for the wrong access"),
        ("parameters", c.dispatch(&TOY, DType::F32, &[], &Other { len: 8, extra: 0.0 }, &[read(&x), write(&dst)], work),
            Shader, "toy: the parameters are not those of the contract"),
    ]);
    assert_eq!(bits(&dst)?, before);
    Ok(())
}

#[test]
fn a_recording_of_the_host_is_not_ours_to_submit_or_read() -> Result<()> {
    let context = device();
    let witness = Witness::new(&context);
    let encoder = context.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    let mut c = Commands::from_encoder(&context, encoder);
    let double = c.add(&witness.x, &witness.x)?;
    let host = "this recording belongs to the host's encoder; call into_encoder and submit that";
    use ErrorKind::Foreign;
    check(
        &witness,
        vec![
            ("submit", c.submit(), Foreign, &format!("submit: {host}")),
            ("read", c.read(&double).map(drop), Foreign, &format!("read: {host} first")),
            ("read_async", c.read_async(&double).map(drop), Foreign, &format!("read: {host} first")),
        ],
    );
    // The refused calls took nothing from the recording.
    context.queue().submit([c.into_encoder().finish()]);
    let wanted: Vec<f32> = witness.before.iter().map(|b| 2.0 * f32::from_bits(*b)).collect();
    assert_eq!(context.commands().read(&double)?, wanted);
    Ok(())
}

#[test]
fn values_of_the_other_backend_and_of_another_tape_are_refused() -> Result<()> {
    let context = device();
    let (mut device, mut reference) = (Tape::new(&context), Tape::reference());
    let host = reference.upload(&[1.0f32], &[1], DType::F32)?;
    let lost = device.leaf(host);
    refused(
        device.scale(2.0, lost),
        ErrorKind::Foreign,
        "tape: value is an array of the reference backend, expected a tensor",
    );
    let stray = reference.leaf(tensor(&context, &[1]));
    refused(
        reference.scale(2.0, stray),
        ErrorKind::Foreign,
        "tape: value is a tensor, expected an array of the reference backend",
    );
    let message = "tape: the variable belongs to another tape";
    refused(device.scale(2.0, stray), ErrorKind::Foreign, message);
    refused(device.read(stray), ErrorKind::Foreign, message);
    refused(device.backward(stray), ErrorKind::Foreign, message);
    Ok(())
}

/// Set in a process that runs one test again, for failures that would take the other tests along.
const CHILD: &str = "KURAMOTO_TEST_CHILD";

fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

fn child(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]).env(CHILD, "1");
    command
}

// The loader of other systems cannot be told to find no driver.
#[cfg(target_os = "linux")]
#[test]
fn a_machine_without_an_adapter_is_told_so_and_the_reference_backend_works_there() -> Result<()> {
    if !is_child() {
        let mut command = child("a_machine_without_an_adapter_is_told_so_and_the_reference_backend_works_there");
        command.env("VK_DRIVER_FILES", "/nonexistent").env("VK_ICD_FILENAMES", "/nonexistent");
        command.env_remove("VK_ADD_DRIVER_FILES");
        let output = command.output().expect("the test program starts again");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "the child ran no test");
        return Ok(());
    }
    assert!(Context::adapters().is_empty());
    let error = error_of(Context::new(), "no adapter");
    let message = error.to_string();
    assert_eq!(error.kind(), ErrorKind::NoAdapter, "{message}");
    assert!(message.starts_with("Context::new: no adapter ("), "{message}");
    assert!(message.ends_with("); install a Vulkan, Metal or DirectX 12 driver"), "{message}");
    let mut tape = Tape::reference();
    let x = tape.upload(&[3.0f32, 4.0], &[1, 2], DType::F32)?;
    let x = tape.leaf(x);
    let y = tape.sphere_normalize(x, 1, 2)?;
    assert_eq!(tape.read(y)?, [0.6000000000000001, 0.8]);
    Ok(())
}

static LONG: Kernel = toy(
    "long",
    "
// Half a second on the fastest devices, minutes on software drivers, and nothing that a compiler can shorten. The work is
// in the grid as well as in the loop: some drivers end loops after 65535 rounds.
struct Params { len: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> dst: array<f32>;
@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    var state = bitcast<u32>(x[0]) + gid.x + 1u;
    for (var i = 0u; i < 0x100000u; i++) {
        state ^= state << 13u;
        state ^= state >> 17u;
        state ^= state << 5u;
    }
    if gid.x < params.len || state == 0u { dst[gid.x % params.len] = f32(state); }
}",
);

#[test]
fn a_device_that_does_not_finish_in_time_is_given_up_and_dropping_it_does_not_hang() -> Result<()> {
    const DONE: &str = "given up and dropped";
    if !is_child() {
        let mut command = child("a_device_that_does_not_finish_in_time_is_given_up_and_dropping_it_does_not_hang");
        let mut process = command.stdout(Stdio::piped()).spawn().expect("the test program starts again");
        let stdout = process.stdout.take().expect("piped");
        let (send, lines) = mpsc::channel();
        std::thread::spawn(move || {
            let mut all = String::new();
            for line in std::io::BufRead::lines(std::io::BufReader::new(stdout)).map_while(|line| line.ok()) {
                all.push_str(&line);
                all.push('\n');
                let _ = send.send(all.clone());
            }
        });
        // The kernel may still be running in the child, whose exit would wait for it: it is ended from here.
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut seen = String::new();
        while !seen.contains(DONE) {
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(all) => seen = all,
                Err(_) => break,
            }
        }
        let _ = process.kill();
        let _ = process.wait();
        assert!(seen.contains(DONE), "the child hung or failed:\n{seen}");
        return Ok(());
    }
    let context = own_device();
    let x = tensor(&context, &[64]);
    let mut c = context.commands();
    let dst = c.empty(&[64], DType::F32)?;
    // Compiled and answered within the default timeout; only the long kernel is on trial.
    bits(&x)?;
    context.set_timeout(Duration::from_millis(20));
    c.dispatch(&LONG, DType::F32, &[], &Len { len: 64 }, &[read(&x), write(&dst)], Work::workgroups(65535))?;
    let begun = Instant::now();
    let message = "the device did not finish within 20ms; make a new context";
    let error = error_of(c.read(&dst), message);
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Timeout, message));
    assert!(!error.is_recoverable());
    assert!(begun.elapsed() >= Duration::from_millis(20), "gave up early");
    refused(c.read(&x), ErrorKind::Timeout, message);
    refused(c.submit(), ErrorKind::Timeout, message);
    refused(context.wait(), ErrorKind::Timeout, message);
    refused(Tensor::from_slice(&context, &[1.0], &[1], DType::F32), ErrorKind::Timeout, message);
    refused(context.commands().fill(1.0, &[1], DType::F32), ErrorKind::Timeout, message);
    drop((x, dst, c, context));
    println!("{DONE}");
    Ok(())
}

/// Mesa's software driver before 25 ends every loop of an invocation after 65535 rounds, silently: a longer reduction
/// is refused there and exact elsewhere.
#[test]
fn a_reduction_past_the_loop_limit_of_a_driver_is_refused_or_right() {
    let context = device();
    let (height, width) = (2049, 2048);
    let shape = [1, 1, height, width];
    let pixels = height * width;
    let mut tape = Tape::new(&context);
    let ones = tape.upload(&vec![1.0f32; pixels], &shape, DType::F32).unwrap();
    let weight = tape.upload(&[1.0f32], &[1, 1, 1, 1], DType::F32).unwrap();
    let bias = tape.upload(&[0.0f32], &[1], DType::F32).unwrap();
    let (x, w, b) = (tape.constant(ones.clone()), tape.leaf(weight), tape.leaf(bias));
    let y = tape.couple_conv2d(x, w, b).unwrap();
    let info = context.info();
    let old = ["Mesa 20.", "Mesa 21.", "Mesa 22.", "Mesa 23.", "Mesa 24."];
    let limited = info.driver == "llvmpipe" && old.iter().any(|version| info.driver_info.starts_with(version));
    match tape.vjp(&[(y, ones)]) {
        Err(error) => {
            assert!(limited, "{error}");
            assert_eq!(error.kind(), ErrorKind::Limit);
            assert!(error.to_string().contains("silently stops after 65535"), "{error}");
        }
        Ok(gradients) => {
            assert!(!limited);
            for var in [w, b] {
                assert_eq!(gradients.read(&mut tape, var).unwrap(), [pixels as f64]);
            }
        }
    }
}
