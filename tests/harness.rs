//! The tester, tested: broken kernels and broken references that the conformance runner must reject, each by a gate
//! that is named here. A gate that never fails proves nothing.

#![cfg(feature = "gpu")]

use std::sync::atomic::{AtomicUsize, Ordering};

use kuramoto::conformance::{Options, Outcome, Report, run_ops};
use kuramoto::cpu::{Bound, Dual, Oscillators, Real, sphere_normalize};
use kuramoto::kernel::Params as _;
use kuramoto::kernel::Source;
use kuramoto::ops::spec::{AnyOp, Case, Fill, Op, OpSpec, Port};
use kuramoto::{Commands, Context, DType, Kernel, Result, Tape, Tensor, Var, Work, ops, read, write};

kuramoto::params! {
    struct Params { count: u32, n: u32, inner: u32 }
}

const AT: Oscillators = Oscillators { samples: 3, groups: 2, outer: 6, n: 4, inner: 11 };
const SHAPE: &[usize] = &[3, 8, 11];

/// A change of text in one of the two kernels of `sphere_normalize`.
struct Mutant {
    name: &'static str,
    backward: bool,
    from: &'static str,
    to: &'static str,
    /// The gate that must fail.
    gate: &'static str,
}

const fn forward(name: &'static str, from: &'static str, to: &'static str, gate: &'static str) -> Mutant {
    Mutant { name, backward: false, from, to, gate }
}

const fn backward(name: &'static str, from: &'static str, to: &'static str, gate: &'static str) -> Mutant {
    Mutant { name, backward: true, from, to, gate }
}

const MUTANTS: [Mutant; 12] = [
    forward("unchanged", "", "", ""),
    forward("a sum off by 2e-5", "square += v * v;", "square += v * v * 1.00002;", "dst"),
    forward("a component left out", "square += v * v;", "if k > 0u { square += v * v; }", "dst"),
    forward("the last oscillator left out", "i >= params.count", "i + 1u >= params.count", "dst"),
    forward("the input returned", "(f32(x[at]) / norm.largest) * norm.stretch", "f32(x[at])", "law: unit norm"),
    forward(
        "an epsilon under the root",
        "inverseSqrt(scaled_square)",
        "inverseSqrt(scaled_square + 4e-6)",
        "law: unit norm",
    ),
    forward("no guard at the end", "if i >= params.count { return; }", "", "guards"),
    forward(
        "a read past the end",
        "k < params.n; k++) {\n        let v",
        "k <= params.n; k++) {\n        let v",
        "dst",
    ),
    forward("an element not written", "dst[at] = ", "if at == 17u { continue; } dst[at] = ", "dst"),
    backward(
        "a gradient off by 1e-4",
        "(norm.stretch / norm.largest)",
        "(1.0001 * norm.stretch / norm.largest)",
        "x_bar",
    ),
    backward("a term left out", "- along * d", "", "transpose"),
    backward("a gradient with the wrong sign", "x_bar[at] = Elem((", "x_bar[at] = Elem(-(", "x_bar"),
];

/// `sphere_normalize` over kernels given by their text.
#[derive(Clone)]
struct Normalize {
    kernels: [&'static Kernel; 2],
}

impl Op for Normalize {
    fn name(&self) -> &'static str {
        "sphere_normalize"
    }
    fn inputs(&self) -> Vec<Port> {
        vec![Port::storage("x", SHAPE)]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::storage("dst", SHAPE)]
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        vec![sphere_normalize::forward(inputs[0], &AT)]
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        vec![sphere_normalize::backward(inputs[0], cotangents[0], &AT)]
    }
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], dtype: DType) -> Result<Vec<Tensor>> {
        let dst = commands.empty(SHAPE, dtype)?;
        let work = Work::invocations(AT.count());
        commands.dispatch(self.kernels[0], dtype, &[], &params(), &[read(inputs[0]), write(&dst)], work)?;
        Ok(vec![dst])
    }
    fn backward(
        &self,
        commands: &mut Commands,
        inputs: &[&Tensor],
        cotangents: &[Option<&Tensor>],
        _: &[bool],
        dtype: DType,
    ) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = cotangents[0] else { return Ok(vec![None]) };
        let x_bar = commands.empty(SHAPE, dtype)?;
        let work = Work::invocations(AT.count());
        let binds = [read(inputs[0]), read(g), write(&x_bar)];
        commands.dispatch(self.kernels[1], dtype, &[], &params(), &binds, work)?;
        Ok(vec![Some(x_bar)])
    }
}

fn params() -> Params {
    Params { count: AT.count() as u32, n: AT.n as u32, inner: AT.inner as u32 }
}

fn leaked(original: &Kernel, mutant: Option<&Mutant>) -> &'static Kernel {
    let mut text = original.source.text().to_string();
    if let Some(mutant) = mutant.filter(|m| !m.from.is_empty()) {
        assert!(text.contains(mutant.from), "{}: the text to change is gone", mutant.name);
        text = text.replace(mutant.from, mutant.to);
    }
    Box::leak(Box::new(Kernel {
        name: original.name,
        source: Source::new(Box::leak(text.into_boxed_str())),
        params: Params::FIELDS,
        bindings: original.bindings,
        constants: original.constants,
    }))
}

fn unit_norm(_: &[Vec<f64>], outputs: &[Vec<f64>], _: &Case, dtype: DType) -> f64 {
    let allowed = if dtype == DType::F16 { f64::powi(2.0, -10) } else { f64::powi(2.0, -21) };
    let deviation = |i| (AT.gather(&outputs[0], i).iter().map(|v| v * v).sum::<f64>().sqrt() - 1.0).abs();
    (0..AT.count()).map(|i| deviation(i) / allowed).fold(0.0, f64::max)
}

fn mutant_case<const M: usize>() -> Vec<Case> {
    let mutant = &MUTANTS[M];
    let kernels = [
        leaked(&ops::sphere_normalize::FORWARD, Some(mutant).filter(|m| !m.backward)),
        leaked(&ops::sphere_normalize::BACKWARD, Some(mutant).filter(|m| m.backward)),
    ];
    vec![Case::new(mutant.name, Normalize { kernels }, vec![Fill::Uniform]).law("unit norm", unit_norm)]
}

fn spec(cases: fn() -> Vec<Case>) -> OpSpec {
    OpSpec { name: "sphere_normalize", formula: "", differentiable: true, kernels: &[], cases }
}

fn report(context: &Context, spec: &OpSpec) -> Report {
    run_ops(context, &[spec], &Options::default(), &mut |_| ()).expect("the device survives")
}

fn failures(report: &Report) -> Vec<&str> {
    report.rows.iter().filter(|r| r.outcome == Outcome::Fail).map(|r| r.what.as_str()).collect()
}

#[test]
fn the_runner_rejects_every_broken_kernel() {
    let context = Context::new().expect("an adapter");
    println!("{context:?}");
    macro_rules! tables {
        ($($index:literal)*) => { [$(mutant_case::<$index> as fn() -> Vec<Case>),*] };
    }
    for (mutant, cases) in MUTANTS.iter().zip(tables!(0 1 2 3 4 5 6 7 8 9 10 11)) {
        let report = report(&context, &spec(cases));
        let failed = failures(&report);
        if mutant.gate.is_empty() {
            assert!(failed.is_empty(), "{}: {failed:?}", mutant.name);
            assert!(report.passed() > 0);
        } else {
            assert!(
                failed.contains(&mutant.gate),
                "{}: `{}` let it pass; failed: {failed:?}",
                mutant.name,
                mutant.gate
            );
        }
    }
}

/// An op whose reference or device side is changed from outside.
struct Tampered {
    inner: Box<dyn AnyOp>,
    how: Tamper,
    calls: AtomicUsize,
}

#[derive(Clone, Copy, PartialEq)]
enum Tamper {
    /// One element of the output off by four bounds.
    Value,
    /// The gradients of two inputs exchanged.
    Gradients,
    /// Every second call returns something else.
    Repeat,
    /// Within the bounds, but not exact where integers must be.
    Integers,
}

impl AnyOp for Tampered {
    fn name(&self) -> &'static str {
        self.inner.name()
    }
    fn inputs(&self) -> Vec<Port> {
        self.inner.inputs()
    }
    fn outputs(&self) -> Vec<Port> {
        self.inner.outputs()
    }
    fn dtype(&self) -> Option<DType> {
        self.inner.dtype()
    }
    fn parameters(&self) -> &'static [&'static str] {
        self.inner.parameters()
    }
    fn apply(&self, tape: &mut Tape, inputs: &[Var]) -> Result<Vec<Var>> {
        let outputs = self.inner.apply(tape, inputs)?;
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let nudge = match self.how {
            Tamper::Repeat if call % 2 == 1 => 1.0 + f32::EPSILON,
            Tamper::Integers => 1.0 - f32::EPSILON / 2.0,
            _ => return Ok(outputs),
        };
        Ok(vec![tape.scale(nudge, outputs[0])?])
    }
    fn value(&self, inputs: &[&[f64]]) -> Vec<Vec<f64>> {
        self.inner.value(inputs)
    }
    fn value_vjp(&self, inputs: &[&[f64]], cotangents: &[&[f64]]) -> Vec<Vec<f64>> {
        self.inner.value_vjp(inputs, cotangents)
    }
    fn dual(&self, inputs: &[&[Dual]]) -> Vec<Vec<Dual>> {
        self.inner.dual(inputs)
    }
    fn bound(&self, inputs: &[&[Bound]]) -> Vec<Vec<Bound>> {
        let mut outputs = self.inner.bound(inputs);
        if self.how == Tamper::Value {
            let element = &mut outputs[0][40];
            element.value += 4.0 * element.error[0];
        }
        outputs
    }
    fn bound_vjp(&self, inputs: &[&[Bound]], cotangents: &[&[Bound]]) -> Vec<Vec<Bound>> {
        let mut gradients = self.inner.bound_vjp(inputs, cotangents);
        if self.how == Tamper::Gradients {
            gradients.swap(0, 1);
        }
        gradients
    }
}

fn tampered(how: Tamper, spec: &OpSpec, label: &str) -> Vec<Case> {
    let case = (spec.cases)().into_iter().find(|case| case.label == label).expect("the case exists");
    let op = Box::new(Tampered { inner: case.op, how, calls: AtomicUsize::new(0) });
    vec![Case { op, ladder: false, ..case }]
}

#[test]
fn every_gate_is_alive() {
    let context = Context::new().expect("an adapter");
    type Table = fn() -> Vec<Case>;
    let tables: [(Table, &str); 4] = [
        (|| tampered(Tamper::Value, &ops::add::SPEC, "[65]"), "dst"),
        (|| tampered(Tamper::Gradients, &ops::dot::SPEC, "[65]"), "a_bar"),
        (|| tampered(Tamper::Repeat, &ops::add::SPEC, "[65]"), "repeat"),
        (|| tampered(Tamper::Integers, &ops::add::SPEC, "[65]"), "integers"),
    ];
    for (cases, gate) in tables {
        let report = report(&context, &spec(cases));
        assert!(failures(&report).contains(&gate), "`{gate}` let it pass: {:?}", failures(&report));
    }
}
