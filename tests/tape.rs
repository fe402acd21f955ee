//! Gradients of whole graphs: of a device against bounds, of the reference backend against differences, and the rules
//! of accumulation on both.
#![cfg(feature = "gpu")]

mod common;

use std::cell::Cell;
use std::ops::{Add, Div, Mul, Neg, Sub};

use common::{device, numbers, refused, sibling, unit};
use kuramoto::cpu::sphere_step::{Mode, Operands};
use kuramoto::cpu::{self, Bound, Oscillators, Real, couple_conv2d::Extents};
use kuramoto::kernel::{Binding, Elem, Kernel, Params as _, Source, input, output};
use kuramoto::{
    Array, Backend, Context, DType, ErrorKind, Result, Rotation, Spec, StepOptions, Tape, Value, Var, Work, read, write,
};

/// The same text on both backends.
fn both(test: impl Fn(&mut Tape) -> Result<()>) -> Result<()> {
    test(&mut Tape::reference())?;
    test(&mut Tape::new(&device()))
}

fn leaf(tape: &mut Tape, data: &[f32], shape: &[usize]) -> Result<Var> {
    let value = tape.upload(data, shape, DType::F32)?;
    Ok(tape.leaf(value))
}

fn constant(tape: &mut Tape, data: &[f32], shape: &[usize]) -> Result<Var> {
    let value = tape.upload(data, shape, DType::F32)?;
    Ok(tape.constant(value))
}

#[test]
fn a_value_used_twice_accumulates() -> Result<()> {
    both(|tape| {
        let x = leaf(tape, &[1.0, -2.0, 3.0], &[3])?;
        let y = tape.add(x, x)?;
        let y = tape.axpy(4.0, x, y)?;
        // loss = (6 x) . x
        let loss = tape.dot(y, x)?;
        assert_eq!(tape.read(loss)?, [84.0]);
        let grads = tape.backward(loss)?;
        assert_eq!(grads.read(tape, x)?, [12.0, -24.0, 36.0]);
        // Cotangents given for several outputs, one of them twice, add up as well.
        let seed = tape.upload(&[1.0f32], &[1], DType::F32)?;
        let ones = tape.upload(&[1.0f32; 3], &[3], DType::F32)?;
        let grads = tape.vjp(&[(loss, seed.clone()), (loss, seed), (y, ones)])?;
        assert_eq!(grads.read(tape, x)?, [30.0, -42.0, 78.0]);
        Ok(())
    })
}

#[test]
fn a_pull_to_some_leaves_computes_no_others() -> Result<()> {
    both(|tape| {
        let (a, b) = (leaf(tape, &[1.0, 2.0], &[2])?, leaf(tape, &[3.0, -1.0], &[2])?);
        let c = tape.constant(tape.value(b)?.clone());
        let twice = tape.scale(2.0, b)?;
        let sum = tape.add(a, twice)?;
        let loss = tape.dot(sum, c)?;
        let one = tape.upload(&[1.0f32], &[1], DType::F32)?;
        let grads = tape.vjp_for(&[(loss, one.clone())], &[a])?;
        assert_eq!(grads.read(tape, a)?, [3.0, -1.0]);
        assert!(grads.get(b).is_none() && grads.get(twice).is_none());
        let both = tape.vjp_for(&[(loss, one.clone())], &[b, a])?;
        assert_eq!((both.read(tape, a)?, both.read(tape, b)?), (vec![3.0, -1.0], vec![6.0, -2.0]));
        // A constant gets none, asked for or not.
        assert!(tape.vjp_for(&[(loss, one.clone())], &[c])?.get(c).is_none());
        let stranger = Tape::reference().constant(tape.upload(&[1.0f32], &[1], DType::F32)?);
        assert_eq!(tape.vjp_for(&[(loss, one)], &[stranger]).err().map(|e| e.kind()), Some(ErrorKind::Foreign));
        Ok(())
    })
}

#[test]
fn a_backward_pass_can_be_repeated() -> Result<()> {
    both(|tape| {
        let x = leaf(tape, &[1.0, -2.0], &[2])?;
        let loss = tape.dot(x, x)?;
        for _ in 0..3 {
            let grads = tape.backward(loss)?;
            assert_eq!(grads.read(tape, x)?, [2.0, -4.0]);
        }
        Ok(())
    })
}

#[test]
fn a_leaf_that_the_loss_does_not_depend_on_reads_zeros() -> Result<()> {
    both(|tape| {
        let x = leaf(tape, &[1.0, 2.0], &[2])?;
        let other = leaf(tape, &[3.0, 4.0, 5.0], &[3])?;
        // Used, but not for the loss.
        tape.scale(2.0, other)?;
        let loss = tape.dot(x, x)?;
        let grads = tape.backward(loss)?;
        assert!(grads.get(other).is_none());
        assert_eq!(grads.read(tape, other)?, [0.0; 3]);
        assert_eq!(grads.read(tape, x)?, [2.0, 4.0]);
        Ok(())
    })
}

#[test]
fn backward_from_more_than_one_element_is_refused() -> Result<()> {
    both(|tape| {
        let x = leaf(tape, &[1.0, 2.0], &[2])?;
        let y = tape.scale(2.0, x)?;
        let message = "backward: loss is [2], expected one element; use vjp for more";
        refused(tape.backward(y), ErrorKind::Shape, message);
        let seed = tape.upload(&[1.0f32; 3], &[3], DType::F32)?;
        refused(tape.vjp(&[(y, seed)]), ErrorKind::Shape, "vjp: cotangent is [3] in f32, expected [2] in f32");
        let seed = tape.upload(&[1.0f32, 3.0], &[2], DType::F32)?;
        assert_eq!(tape.vjp(&[(y, seed)])?.read(tape, x)?, [2.0, 6.0]);
        Ok(())
    })
}

#[test]
fn variables_of_another_tape_are_refused() -> Result<()> {
    both(|tape| {
        let mut other = Tape::reference();
        // The same index as `x`: only the tape tells them apart.
        let (x, stray) = (leaf(tape, &[1.0], &[1])?, leaf(&mut other, &[7.0], &[1])?);
        let message = "tape: the variable belongs to another tape";
        refused(tape.add(x, stray), ErrorKind::Foreign, message);
        refused(tape.value(stray), ErrorKind::Foreign, message);
        refused(tape.backward(stray), ErrorKind::Foreign, message);
        let value = tape.value(x)?.clone();
        refused(tape.push(value, &[x, stray], |_, _, _| Ok(vec![])), ErrorKind::Foreign, message);
        let loss = tape.dot(x, x)?;
        let grads = tape.backward(loss)?;
        assert!(grads.get(stray).is_none());
        refused(grads.read(tape, stray), ErrorKind::Foreign, message);
        Ok(())
    })
}

#[test]
fn gradients_that_nobody_needs_are_not_computed() -> Result<()> {
    let context = sibling(&device());
    // Which of x, w, bias, gamma are leaves, and the dispatches of the backward pass from dot(step(conv)):
    //   the state's half of dot 1; the step 1, its scalars 2 (partial sums, their sum); conv's x 1, conv's w and bias 1 and
    //   the sum of its parts for each; x is used by the conv and the step: one addition.
    let table = [
        ([false, false, false, false], 0),
        ([true, false, false, false], 1 + 1 + 1 + 1),
        ([false, true, false, false], 1 + 1 + 2),
        ([false, false, true, false], 1 + 1 + 2),
        ([false, false, false, true], 1 + 1 + 2),
        ([true, true, true, true], 1 + 1 + 2 + 1 + 3 + 1),
    ];
    for (leaves, dispatches) in table {
        let mut tape = Tape::new(&context);
        let mut vars = Vec::new();
        let shapes: [&[usize]; 4] = [&[1, 4, 3, 3], &[4, 4, 3, 3], &[4], &[1]];
        for (i, shape) in shapes.into_iter().enumerate() {
            let data = numbers(i as u64, shape.iter().product());
            vars.push(if leaves[i] { leaf(&mut tape, &data, shape)? } else { constant(&mut tape, &data, shape)? });
        }
        let [x, w, bias, gamma] = vars[..] else { unreachable!("four variables") };
        let y = tape.couple_conv2d(x, w, bias)?;
        let (state, _) = tape.sphere_step(x, y, gamma, None, &StepOptions::new(2, 1))?;
        let target = constant(&mut tape, &numbers(9, 36), &[1, 4, 3, 3])?;
        let loss = tape.dot(state, target)?;
        let before = context.counters().dispatches;
        let grads = tape.backward(loss)?;
        assert_eq!(context.counters().dispatches - before, dispatches, "leaves {leaves:?}");
        for (var, is_leaf) in vars.into_iter().zip(leaves) {
            // What was not asked for is not kept.
            assert_eq!(grads.get(var).is_some(), is_leaf, "leaves {leaves:?}");
        }
    }
    Ok(())
}

kuramoto::params! {
    struct Len { len: u32 }
}

const SQUARE_BINDINGS: &[Binding] = &[input("x", Elem::F32, "[len]"), output("dst", Elem::F32, "[len]")];
const SQUARE_BWD_BINDINGS: &[Binding] =
    &[input("x", Elem::F32, "[len]"), input("dst_bar", Elem::F32, "[len]"), output("x_bar", Elem::F32, "[len]")];

static SQUARE: Kernel = Kernel {
    name: "square",
    source: Source::new(
        "
// dst = x^2
struct Params { len: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> dst: array<f32>;
@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    if gid.x < params.len { dst[gid.x] = x[gid.x] * x[gid.x]; }
}",
    ),
    params: Len::FIELDS,
    bindings: SQUARE_BINDINGS,
    constants: &[],
};

static SQUARE_BWD: Kernel = Kernel {
    name: "square_bwd",
    source: Source::new(
        "
// x_bar = 2 x dst_bar
struct Params { len: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> dst_bar: array<f32>;
@group(0) @binding(3) var<storage, read_write> x_bar: array<f32>;
@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    if gid.x < params.len { x_bar[gid.x] = 2.0 * x[gid.x] * dst_bar[gid.x]; }
}",
    ),
    params: Len::FIELDS,
    bindings: SQUARE_BWD_BINDINGS,
    constants: &[],
};

/// An op of a user: its own kernels, and its own formulas on the reference backend.
fn square(tape: &mut Tape, x: Var) -> Result<Var> {
    let value = tape.value(x)?.clone();
    let spec = value.spec();
    let params = Len { len: spec.len() as u32 };
    let work = Work::invocations(spec.len());
    let dst: Value = match tape.backend() {
        Backend::Device(c) => {
            let dst = c.empty(&spec.shape, spec.dtype)?;
            c.dispatch(&SQUARE, spec.dtype, &[], &params, &[read(value.tensor()?), write(&dst)], work)?;
            dst.into()
        }
        Backend::Reference => {
            let data = value.array()?.data().iter().map(|v| v * v).collect();
            Array::new(data, &spec.shape, spec.dtype)?.into()
        }
    };
    tape.push(dst, &[x], move |backend, g, needs| {
        assert_eq!(needs, [true], "a rule runs only if its parent needs it");
        Ok(vec![Some(match backend {
            Backend::Device(c) => {
                let x_bar = c.empty(&spec.shape, spec.dtype)?;
                let binds = [read(value.tensor()?), read(g.tensor()?), write(&x_bar)];
                c.dispatch(&SQUARE_BWD, spec.dtype, &[], &params, &binds, work)?;
                x_bar.into()
            }
            Backend::Reference => {
                let (x, g) = (value.array()?.data(), g.array()?.data());
                let data = x.iter().zip(g).map(|(x, g)| 2.0 * x * g).collect();
                Array::new(data, &spec.shape, spec.dtype)?.into()
            }
        })])
    })
}

#[test]
fn a_kernel_of_the_user_is_an_op_like_any_other() -> Result<()> {
    both(|tape| {
        let data = numbers(1, 100);
        let x = leaf(tape, &data, &[100])?;
        let c = constant(tape, &numbers(2, 100), &[100])?;
        // Between ops of the library: loss = (2 x)^2 . c, gradient 8 x c.
        let double = tape.scale(2.0, x)?;
        let y = square(tape, double)?;
        let loss = tape.dot(y, c)?;
        let grads = tape.backward(loss)?;
        let wanted: Vec<f64> =
            data.iter().zip(numbers(2, 100)).map(|(x, c)| 8.0 * f64::from(*x) * f64::from(c)).collect();
        // Products of numbers of 11 bits: exact.
        assert_eq!(grads.read(tape, x)?, wanted);
        assert!(grads.get(c).is_none());
        Ok(())
    })
}

#[test]
fn a_rule_that_returns_the_wrong_extents_is_refused() -> Result<()> {
    both(|tape| {
        let x = leaf(tape, &[1.0, 2.0], &[2])?;
        let value = tape.value(x)?.clone();
        let broken =
            tape.push(value, &[x], |backend, _, _| Ok(vec![Some(backend.upload(&[1.0f32; 3], &[3], DType::F32)?)]))?;
        let c = constant(tape, &[1.0, 1.0], &[2])?;
        let loss = tape.dot(broken, c)?;
        let message = "vjp: a rule's cotangent is [3] in f32, expected [2] in f32";
        refused(tape.backward(loss), ErrorKind::Shape, message);
        Ok(())
    })
}

/// A network of `steps` steps of couple_conv2d, add, sphere_step, and the loss
/// `<x_T, target> + sum over t and samples of the energies`.
struct Chain {
    steps: usize,
    /// x, w, bias, c, gamma, frequencies.
    inputs: Vec<Vec<f64>>,
    target: Vec<f64>,
}

const BATCH: usize = 2;
const STATE: [usize; 4] = [BATCH, 4, 3, 3];
const SHAPES: [&[usize]; 6] = [&STATE, &[4, 4, 3, 3], &[4], &STATE, &[1], &[2]];
const NAMES: [&str; 6] = ["x", "w", "bias", "c", "gamma", "frequencies"];
const MODE: Mode = Mode { rotation: Rotation::PerPair, projection: true };

fn oscillators() -> Oscillators {
    Oscillators { samples: BATCH, groups: 2, outer: BATCH * 2, n: 2, inner: 9 }
}

fn extents() -> Extents {
    Extents { batch: BATCH, c_in: 4, c_out: 4, height: 3, width: 3, kh: 3, kw: 3 }
}

impl Chain {
    fn new(steps: usize) -> Chain {
        // Exact in f16, so that all backends start from the same numbers.
        let half = |v: f32| f64::from(half::f16::from_f32(v));
        let scaled = |seed, len, by: f32| numbers(seed, len).into_iter().map(|v| half(by * v)).collect::<Vec<f64>>();
        let x = unit(1, BATCH * 2, 2, 9).into_iter().map(half).collect();
        let (w, bias, c) = (scaled(2, 4 * 4 * 9, 0.0625), scaled(3, 4, 0.25), scaled(4, BATCH * 36, 0.5));
        Chain { steps, inputs: vec![x, w, bias, c, vec![0.125], vec![0.5, 0.875]], target: scaled(5, BATCH * 36, 1.0) }
    }

    fn record(&self, tape: &mut Tape, storage: DType) -> Result<([Var; 6], Var)> {
        let mut vars = Vec::new();
        for (i, (data, shape)) in self.inputs.iter().zip(SHAPES).enumerate() {
            let value = tape.upload(data, shape, if i < 4 { storage } else { DType::F32 })?;
            vars.push(tape.leaf(value));
        }
        let vars: [Var; 6] = vars.try_into().expect("six inputs");
        let target = tape.upload(&self.target, &STATE, storage)?;
        let target = tape.constant(target);
        let ones = constant(tape, &[1.0; BATCH], &[BATCH])?;
        let [mut x, w, bias, c, gamma, frequencies] = vars;
        let options = StepOptions::new(2, 1).rotation(Rotation::PerPair);
        let mut energies = Vec::new();
        for _ in 0..self.steps {
            let y = tape.couple_conv2d(x, w, bias)?;
            let y = tape.add(y, c)?;
            let energy;
            (x, energy) = tape.sphere_step(x, y, gamma, Some(frequencies), &options)?;
            energies.push(energy);
        }
        let mut loss = tape.dot(x, target)?;
        for energy in energies {
            let sum = tape.dot(energy, ones)?;
            loss = tape.add(loss, sum)?;
        }
        Ok((vars, loss))
    }

    /// The backend's loss and gradients, and the specs of the latter.
    fn run(&self, tape: &mut Tape, storage: DType) -> Result<(f64, Vec<Vec<f64>>, Vec<Spec>)> {
        let (vars, loss) = self.record(tape, storage)?;
        let grads = tape.backward(loss)?;
        let values = vars.iter().map(|v| grads.read(tape, *v)).collect::<Result<_>>()?;
        let specs = vars.iter().map(|v| grads.get(*v).expect("the loss depends on all inputs").spec()).collect();
        Ok((tape.read(loss)?[0], values, specs))
    }

    /// The same loss and gradients by hand from the ops' references, without a tape; `store` is what writing a tensor in
    /// the storage type does to a number. With [`Bound`] the result carries a bound on the error of every device.
    fn by_hand<R: Real>(&self, store: impl Fn(R) -> R) -> (R, Vec<Vec<R>>) {
        let lift = |data: &[f64]| data.iter().map(|v| R::exact(*v)).collect::<Vec<R>>();
        let stored = |data: Vec<R>| data.into_iter().map(&store).collect::<Vec<R>>();
        let inputs: Vec<Vec<R>> = self.inputs.iter().map(|data| lift(data)).collect();
        let [x0, w, bias, c, gamma, frequencies] = &inputs[..] else { unreachable!("six inputs") };
        let (target, at, e) = (lift(&self.target), oscillators(), extents());
        let (mut x, mut loss, mut states, mut drives) = (x0.clone(), R::zero(), vec![], vec![]);
        // A function, not a closure: each call borrows for as long as its own operands live.
        fn operands<'a, R>(x: &'a [R], y: &'a [R], gamma: &'a [R], frequencies: &'a [R]) -> Operands<'a, R> {
            Operands { x, y, gamma, frequencies }
        }
        let mut energies = Vec::new();
        for _ in 0..self.steps {
            let z = stored(cpu::couple_conv2d::forward(&x, w, bias, None, &e));
            let y = stored(cpu::add::forward(&z, c));
            let (next, energy) = cpu::sphere_step::forward(&operands(&x, &y, gamma, frequencies), &at, MODE);
            states.push(std::mem::replace(&mut x, stored(next)));
            drives.push(y);
            energies.push(R::sum(energy));
        }
        loss = loss + R::dot(&x, &target);
        for energy in energies {
            loss = loss + energy;
        }
        let mut x_bar = stored(target);
        let mut sums: [Option<Vec<R>>; 6] = Default::default();
        let add = |sum: &mut Option<Vec<R>>, bar: Vec<R>, store: &dyn Fn(R) -> R| {
            *sum = Some(match sum.take() {
                None => bar,
                Some(sum) => cpu::add::forward(&sum, &bar).into_iter().map(store).collect(),
            });
        };
        let (in_storage, in_f32): (&dyn Fn(R) -> R, &dyn Fn(R) -> R) = (&store, &|v| v);
        for (x, y) in states.iter().zip(&drives).rev() {
            // The step's cotangents are stored before those of the energy, -y and -x, are added.
            let bar =
                cpu::sphere_step::backward(&operands(x, y, gamma, frequencies), &x_bar, &[R::zero(); BATCH], &at, MODE);
            let minus =
                |bar: Vec<R>, other: &[R]| stored(stored(bar).into_iter().zip(other).map(|(b, o)| b - *o).collect());
            let (step_x, y_bar) = (minus(bar.x, y), minus(bar.y, x));
            add(&mut sums[4], bar.gamma, in_f32);
            add(&mut sums[5], bar.frequencies, in_f32);
            add(&mut sums[3], y_bar.clone(), in_storage);
            let [conv_x, w_bar, bias_bar] = cpu::couple_conv2d::backward(x, w, &y_bar, &e);
            add(&mut sums[1], w_bar, in_f32);
            add(&mut sums[2], bias_bar, in_f32);
            x_bar = stored(cpu::add::forward(&step_x, &stored(conv_x)));
        }
        sums[0] = Some(x_bar);
        (loss, sums.into_iter().map(Option::unwrap).collect())
    }
}

#[test]
fn gradients_of_a_network_on_the_reference_backend_are_those_of_the_formulas() -> Result<()> {
    let chain = Chain::new(4);
    let (loss, got, ..) = chain.run(&mut Tape::reference(), DType::F32)?;
    let (wanted_loss, wanted) = chain.by_hand(|v: f64| v);
    // The same f64 operations in another order: a few thousand roundings of 2^-53.
    assert!((loss - wanted_loss).abs() <= 1e-12 * loss.abs(), "{loss} and {wanted_loss}");
    for ((name, got), wanted) in NAMES.iter().zip(&got).zip(&wanted) {
        let scale = wanted.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        assert_eq!(got.len(), wanted.len(), "{name}");
        for (got, wanted) in got.iter().zip(wanted) {
            assert!((got - wanted).abs() <= 1e-12 * scale, "{name}: {got} and {wanted}");
        }
    }
    Ok(())
}

#[test]
fn gradients_of_a_network_on_the_reference_backend_agree_with_differences() -> Result<()> {
    let chain = Chain::new(4);
    let (_, grads, ..) = chain.run(&mut Tape::reference(), DType::F32)?;
    for i in 0..6 {
        for seed in 0..3 {
            let direction = numbers(100 + seed, chain.inputs[i].len());
            let loss = |h: f64| -> Result<f64> {
                let mut moved = Chain { inputs: chain.inputs.clone(), target: chain.target.clone(), ..chain };
                moved.inputs[i].iter_mut().zip(&direction).for_each(|(v, d)| *v += h * f64::from(*d));
                let mut tape = Tape::reference();
                let (_, loss) = moved.record(&mut tape, DType::F32)?;
                Ok(tape.read(loss)?[0])
            };
            // Fourth-order central difference: truncation h^4, rounding 2^-53 / h.
            let h = 1e-3;
            let difference = (8.0 * (loss(h)? - loss(-h)?) - (loss(2.0 * h)? - loss(-2.0 * h)?)) / (12.0 * h);
            let products = grads[i].iter().zip(&direction).map(|(g, d)| g * f64::from(*d));
            let (along, size) = products.fold((0.0, 0.0), |(sum, size), p: f64| (sum + p, size + p.abs()));
            assert!(
                (difference - along).abs() <= 1e-8 * size,
                "{}: the gradient says {along}, the difference {difference}",
                NAMES[i]
            );
        }
    }
    Ok(())
}

/// A number whose every operation is off by a random amount that WGSL allows a device: Monte Carlo arithmetic.
#[derive(Clone, Copy)]
struct Noisy(f64);

thread_local! {
    static DRAWS: Cell<u64> = const { Cell::new(0) };
}

impl Noisy {
    /// `value` off by at most `ulps` units in the last place of f32.
    fn off(value: f64, ulps: f64) -> Noisy {
        let state = DRAWS.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        DRAWS.set(state);
        let draw = (state >> 11) as f64 * f64::powi(2.0, -52) - 1.0;
        Noisy(value * (1.0 + ulps * draw * f64::powi(2.0, -23)))
    }
}

impl Neg for Noisy {
    type Output = Noisy;
    fn neg(self) -> Noisy {
        Noisy(-self.0)
    }
}
impl Add for Noisy {
    type Output = Noisy;
    fn add(self, o: Noisy) -> Noisy {
        Noisy::off(self.0 + o.0, 1.0)
    }
}
impl Sub for Noisy {
    type Output = Noisy;
    fn sub(self, o: Noisy) -> Noisy {
        Noisy::off(self.0 - o.0, 1.0)
    }
}
impl Mul for Noisy {
    type Output = Noisy;
    fn mul(self, o: Noisy) -> Noisy {
        Noisy::off(self.0 * o.0, 1.0)
    }
}
impl Div for Noisy {
    type Output = Noisy;
    fn div(self, o: Noisy) -> Noisy {
        Noisy::off(self.0 / o.0, 2.5)
    }
}
impl Real for Noisy {
    fn exact(value: f64) -> Noisy {
        Noisy(value)
    }
    fn constant(value: f64) -> Noisy {
        Noisy::off(value, 1.0)
    }
    fn value(self) -> f64 {
        self.0
    }
    fn sqrt(self) -> Noisy {
        Noisy::off(self.0.sqrt(), 4.5)
    }
    fn inverse_sqrt(self) -> Noisy {
        Noisy::off(1.0 / self.0.sqrt(), 2.0)
    }
    fn exp(self) -> Noisy {
        Noisy::off(self.0.exp(), 3.0 + 2.0 * self.0.abs())
    }
    fn ln(self) -> Noisy {
        Noisy::off(self.0.ln(), 3.0)
    }
    fn ln_1p(self) -> Noisy {
        Noisy::off(self.0.ln_1p(), 8.0)
    }
    fn sin_cos(self) -> (Noisy, Noisy) {
        // Absolute, in units of the last place of 1.
        let (sin, cos) = self.0.sin_cos();
        (Noisy(sin + Noisy::off(1.0, 3.0).0 - 1.0), Noisy(cos + Noisy::off(1.0, 3.0).0 - 1.0))
    }
    fn wrap(self) -> Noisy {
        Noisy::off(Real::wrap(self.0), 3.0)
    }
    fn heaviside(self) -> Noisy {
        Noisy(self.0.heaviside())
    }
    fn erfc(self) -> Noisy {
        Noisy::off(Real::erfc(self.0), 17.0 + 3.0 * self.0 * self.0)
    }
    fn sum(terms: impl IntoIterator<Item = Noisy>) -> Noisy {
        terms.into_iter().reduce(|a, b| a + b).unwrap_or(Noisy(0.0))
    }
}

/// The loss and the gradients, one after another.
fn flat<R: Copy>((loss, grads): (R, Vec<Vec<R>>)) -> Vec<Vec<R>> {
    std::iter::once(vec![loss]).chain(grads).collect()
}

fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, |m, v| m.max(v.abs()))
}

#[test]
fn gradients_of_a_network_on_the_device_are_off_by_no_more_than_rounding_explains() -> Result<()> {
    let chain = Chain::new(4);
    let wanted = flat(chain.by_hand(|v: f64| v));
    // How far rounding moves each result: the largest of 24 draws, each of which errs in every operation by up to one
    // unit in the last place, twice what rounding to nearest does. A device is one more draw; four times the largest leaves
    // room for one whose errors do not cancel as random ones do.
    let mut allowed = vec![0.0f64; wanted.len()];
    for seed in 0..24 {
        DRAWS.set(seed);
        for (allowed, (noisy, wanted)) in allowed.iter_mut().zip(flat(chain.by_hand(|v: Noisy| v)).iter().zip(&wanted))
        {
            *allowed = allowed.max(4.0 * largest(noisy.iter().zip(wanted).map(|(n, w)| n.0 - w)));
        }
    }
    let (loss, got, ..) = chain.run(&mut Tape::new(&device()), DType::F32)?;
    for (i, (got, wanted)) in flat((loss, got)).iter().zip(&wanted).enumerate() {
        let name = if i == 0 { "loss" } else { NAMES[i - 1] };
        assert_eq!(got.len(), wanted.len(), "{name}");
        let scale = largest(wanted.iter().copied());
        let off = largest(got.iter().zip(wanted).map(|(g, w)| g - w));
        println!("{name}: off by {:.1e} of the largest, {:.1e} allowed", off / scale, allowed[i] / scale);
        assert!(off <= allowed[i], "{name}: off by {off:e}, {:e} allowed", allowed[i]);
        // Tight enough that one part in 10^4 of any of them shows.
        assert!(allowed[i] <= 1e-4 * scale, "{name}: {:e} allowed of {scale:e}", allowed[i]);
    }
    Ok(())
}

/// Compares a device with the bound that the formulas carry along, for any device that keeps to WGSL.
fn judge(context: &Context, chain: &Chain, storage: DType, store: fn(Bound) -> Bound) -> Result<()> {
    let (loss, got, specs) = chain.run(&mut Tape::new(context), storage)?;
    let wanted = flat(chain.by_hand(store));
    let mut worst = 0.0f64;
    for (i, (got, wanted)) in flat((loss, got)).iter().zip(&wanted).enumerate() {
        let name = if i == 0 { "loss" } else { NAMES[i - 1] };
        let scale = largest(wanted.iter().map(|b| b.value));
        let loosest = largest(wanted.iter().map(|b| b.error[0]));
        // A bound of the size of the gradients themselves would let anything pass.
        assert!(loosest <= 0.5 * scale, "{name}: the bound {loosest} proves nothing about {scale}");
        assert_eq!(got.len(), wanted.len(), "{name}");
        for (got, wanted) in got.iter().zip(wanted) {
            let ratio = (got - wanted.value).abs() / wanted.error[0];
            assert!(ratio <= 1.0, "{name}: {got} is {ratio} times the bound from {}", wanted.value);
            worst = worst.max(ratio);
        }
        if i > 0 {
            // The gradients of parameters are f32 whatever the state is stored as.
            let dtype = if ["x", "c"].contains(&name) { storage } else { DType::F32 };
            let spec = &specs[i - 1];
            assert_eq!((spec.dtype, &spec.shape[..]), (dtype, SHAPES[i - 1]), "{name}");
        }
    }
    println!("{storage}: {worst:.1e} of the bound used");
    Ok(())
}

#[test]
fn gradients_of_a_network_are_within_the_bound_of_the_formulas_and_those_of_parameters_are_f32() -> Result<()> {
    let context = device();
    // Two steps: a bound that assumes the worst everywhere grows by a factor per step.
    for dtype in common::dtypes(&context) {
        let store = if *dtype == DType::F16 { Bound::stored_as_f16 } else { |v| v };
        judge(&context, &Chain::new(2), *dtype, store)?;
    }
    Ok(())
}

#[test]
fn a_tensor_used_as_a_state_and_as_a_parameter_sums_its_gradients_in_f32() -> Result<()> {
    let context = device();
    if !context.has_f16() {
        println!("left out: the device has no SHADER_F16");
        return Ok(());
    }
    // loss = sum over the pixels of w x + w a: the coupling gives w's gradient in f32, dot gives it in f16. 2049 is no f16.
    let mut tape = Tape::new(&context);
    let w = tape.upload(&[2.0f32], &[1, 1, 1, 1], DType::F16)?;
    let w = tape.leaf(w);
    let half = |tape: &mut Tape, data: &[f32], shape: &[usize]| -> Result<Var> {
        let value = tape.upload(data, shape, DType::F16)?;
        Ok(tape.constant(value))
    };
    let x = half(&mut tape, &[1.0; 2048], &[1, 1, 32, 64])?;
    let bias = half(&mut tape, &[0.0], &[1])?;
    let ones = half(&mut tape, &[1.0; 2048], &[1, 1, 32, 64])?;
    let a = half(&mut tape, &[1.0], &[1, 1, 1, 1])?;
    for order in [false, true] {
        let (first, second);
        if order {
            let y = tape.couple_conv2d(x, w, bias)?;
            (first, second) = (tape.dot(y, ones)?, tape.dot(w, a)?);
        } else {
            first = tape.dot(w, a)?;
            let y = tape.couple_conv2d(x, w, bias)?;
            second = tape.dot(y, ones)?;
        }
        let loss = tape.add(first, second)?;
        let grads = tape.backward(loss)?;
        assert_eq!(grads.get(w).map(|v| v.spec().dtype), Some(DType::F32));
        assert_eq!(grads.read(&mut tape, w)?, [2049.0]);
    }
    Ok(())
}

#[test]
fn parameters_in_f16_may_come_from_any_op() -> Result<()> {
    let context = device();
    if !context.has_f16() {
        println!("left out: the device has no SHADER_F16");
        return Ok(());
    }
    // The coupling's gradient of w is f32; the ops that made w work in f16.
    let chain = |tape: &mut Tape, dtype: DType| -> Result<Vec<f64>> {
        let upload = |tape: &mut Tape, data: &[f32], shape: &[usize]| tape.upload(data, shape, dtype);
        let v = upload(tape, &[0.5, -1.5, 1.0, 0.25], &[2, 2, 1, 1])?;
        let v = tape.leaf(v);
        let w = tape.sphere_normalize(v, 1, 2)?;
        let w = tape.scale(2.0, w)?;
        let w = tape.add(w, v)?;
        let x = upload(tape, &numbers(1, 8), &[1, 2, 2, 2])?;
        let (x, bias) = (tape.constant(x), upload(tape, &[0.0, 0.0], &[2])?);
        let bias = tape.constant(bias);
        let y = tape.couple_conv2d(x, w, bias)?;
        let loss = tape.dot(y, x)?;
        tape.backward(loss)?.read(tape, v)
    };
    let got = chain(&mut Tape::new(&context), DType::F16)?;
    let wanted = chain(&mut Tape::reference(), DType::F16)?;
    // A dozen stores in f16 of 2^-10 each, on terms that do not cancel to less than a quarter of themselves.
    let scale = wanted.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    for (got, wanted) in got.iter().zip(&wanted) {
        assert!((got - wanted).abs() <= 12.0 * 4.0 * f64::powi(2.0, -10) * scale, "{got} and {wanted}");
    }
    Ok(())
}
