//! Runs cases on a device and puts every gate to them.

use super::inputs::{Random, fill, round};
use super::ladder::{directional, ladder};
use super::report::{Options, Outcome, Progress, Report, Row};
use crate::cpu::{Bound, noise};
use crate::error::{ErrorKind, Result};
use crate::gpu::Context;
use crate::kernel::DType;
use crate::ops::spec::{AnyOp, Case, Fill, OpSpec};
use crate::tape::Tape;

/// Runs every op on the device of `context`. The work happens in a context of its own, with poisoned memory.
///
/// # Errors
/// `DeviceLost` or `Timeout`; whatever else goes wrong is a row of the report.
pub fn run(context: &Context, options: &Options, progress: &mut dyn FnMut(Progress<'_>)) -> Result<Report> {
    run_ops(context, crate::ops::ALL, options, progress)
}

/// As [`run`], for a table of ops: a user's own, or broken ones that must not pass.
///
/// # Errors
/// As [`run`].
pub fn run_ops(
    context: &Context,
    ops: &[&OpSpec],
    options: &Options,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Report> {
    let info = context.info();
    let mut report = Report {
        adapter: info.name.clone(),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_string(),
        rows: vec![],
    };
    let tables: Vec<(&OpSpec, Vec<Case>)> = ops.iter().map(|op| (*op, (op.cases)())).collect();
    let mut jobs: Vec<(&OpSpec, &Case, DType, String)> = Vec::new();
    for (op, cases) in &tables {
        for case in cases {
            for dtype in [DType::F32, DType::F16] {
                let name = format!("{}/{}/{dtype}/{}", op.name, case.variant, case.label);
                let applies = case.op.dtype().is_none_or(|only| only == dtype);
                if applies && (options.full || !case.bench) && options.selects(&name) {
                    jobs.push((*op, case, dtype, name));
                }
            }
        }
    }
    let poisoned = context.poisoned();
    for (done, (op, case, dtype, name)) in jobs.iter().enumerate() {
        progress(Progress { done, total: jobs.len(), label: name });
        let mut judge = Judge { context: &poisoned, op, case, dtype: *dtype, rows: &mut report.rows };
        if let Err(error) = judge.run() {
            if !error.is_recoverable() {
                return Err(error);
            }
            // What the device cannot bind or store is no fault of the kernel.
            let outcome = match error.kind() {
                ErrorKind::Limit | ErrorKind::Feature => Outcome::Skip,
                _ => Outcome::Fail,
            };
            judge.push("run".into(), outcome, f64::NAN, f64::NAN, error.to_string());
        }
    }
    if ops.iter().any(|op| op.name == "noise") && options.selects("noise/bits/u32/stream") {
        report.rows.push(noise_bits(&poisoned)?);
    }
    Ok(report)
}

/// One case in one storage type.
struct Judge<'a> {
    context: &'a Context,
    op: &'a OpSpec,
    case: &'a Case,
    dtype: DType,
    rows: &'a mut Vec<Row>,
}

/// What a device computed: outputs, then gradients.
struct Computed {
    outputs: Vec<Vec<f64>>,
    gradients: Vec<Vec<f64>>,
}

impl Judge<'_> {
    fn run(&mut self) -> Result<()> {
        if self.dtype == DType::F16 && !self.context.has_f16() {
            let reason = "the device has no SHADER_F16".to_string();
            self.push("run".into(), Outcome::Skip, f64::NAN, f64::NAN, reason);
            return Ok(());
        }
        let op = self.case.op.as_ref();
        let (inputs, cotangents) = self.numbers(&self.case.fills, &Fill::Uniform);
        let computed = self.compute(&inputs, &cotangents)?;
        let overwritten = self.context.overwritten_guards()?;
        let bounds = match self.op.differentiable {
            true => op.bound_vjp(&views(&exact(&inputs)), &views(&exact(&cotangents))),
            false => vec![],
        };
        self.values(op, &inputs, &bounds, &computed);
        self.gate("guards", overwritten as f64, &format!("{overwritten} buffers were written past their end"));
        for (name, law) in &self.case.laws {
            let ratio = law(&inputs, &computed.outputs, self.case, self.dtype);
            // Laws are stated for the hard tier's rounding unit, the calibrated one's is half of it.
            let what = format!("law: {name}");
            self.tiers(what, [ratio, 2.0 * ratio], format!("the law does not hold: off by {ratio} of the allowance"));
        }
        let again = self.compute(&inputs, &cotangents)?;
        self.context.overwritten_guards()?;
        let changed = differing(&computed, &again);
        self.gate("repeat", changed as f64, &format!("{changed} elements differ between two runs"));
        if self.op.differentiable {
            self.transpose(op, &inputs, &cotangents, &bounds, &computed);
        }
        if self.op.differentiable && !op.parameters().is_empty() {
            self.shared(op, &inputs, &cotangents, &bounds)?;
        }
        if self.case.linear {
            self.integers(op)?;
        }
        if self.case.ladder && self.op.differentiable && self.dtype == DType::F32 {
            for rung in ladder(self.case, &|_| ()) {
                self.gate(rung.what, rung.ratio, "the reference's gradient is wrong");
            }
        }
        Ok(())
    }

    /// Inputs and cotangents of the outputs.
    fn numbers(&self, fills: &[Fill], cotangent: &Fill) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
        let op = self.case.op.as_ref();
        let mut random = Random::keyed(&format!("{} {} {}", op.name(), self.case.label, self.dtype));
        let mut make = |ports: &[crate::ops::spec::Port], fills: &mut dyn Iterator<Item = &Fill>| {
            ports.iter().zip(fills).map(|(port, f)| fill(port, f, self.dtype, &mut random)).collect()
        };
        let inputs = make(&op.inputs(), &mut fills.iter());
        let cotangents = make(&op.outputs(), &mut std::iter::repeat(cotangent));
        (inputs, cotangents)
    }

    fn compute(&self, inputs: &[Vec<f64>], cotangents: &[Vec<f64>]) -> Result<Computed> {
        self.calls(inputs, cotangents, 1)
    }

    /// The outputs of the last of some equal calls, and the gradients over all of them.
    fn calls(&self, inputs: &[Vec<f64>], cotangents: &[Vec<f64>], count: usize) -> Result<Computed> {
        let op = self.case.op.as_ref();
        let mut tape = Tape::new(self.context);
        let mut vars = Vec::new();
        for (port, data) in op.inputs().iter().zip(inputs) {
            let spec = port.spec(self.dtype);
            let value = tape.upload(data, &spec.shape, spec.dtype)?;
            vars.push(tape.leaf(value));
        }
        let (mut results, mut seeds) = (vec![], vec![]);
        for _ in 0..count {
            results = op.apply(&mut tape, &vars)?;
            for (var, data) in results.iter().zip(cotangents) {
                let spec = tape.spec(*var)?;
                seeds.push((*var, tape.upload(data, &spec.shape, spec.dtype)?));
            }
        }
        let grads = if self.op.differentiable { Some(tape.vjp(&seeds)?) } else { None };
        let outputs = results.iter().map(|var| tape.read(*var)).collect::<Result<_>>()?;
        let gradients = match grads {
            Some(grads) => vars.iter().map(|var| grads.read(&mut tape, *var)).collect::<Result<_>>()?,
            None => vec![],
        };
        Ok(Computed { outputs, gradients })
    }

    /// The value gate: outputs and gradients against the reference's bounds.
    fn values(&mut self, op: &dyn AnyOp, inputs: &[Vec<f64>], bounds: &[Vec<Bound>], computed: &Computed) {
        for ((port, want), got) in op.outputs().iter().zip(op.bound(&views(&exact(inputs)))).zip(&computed.outputs) {
            self.compare(port.name.to_string(), port.spec(self.dtype).dtype, &want, got);
        }
        for ((port, want), got) in op.inputs().iter().zip(bounds).zip(&computed.gradients) {
            if !port.is_real() {
                continue;
            }
            let stored = if is_parameter(op, port) { DType::F32 } else { port.spec(self.dtype).dtype };
            self.compare(format!("{}_bar", port.name), stored, want, got);
        }
    }

    fn compare(&mut self, what: String, stored: DType, want: &[Bound], got: &[f64]) {
        let (mut worst, mut reason) = ([0.0f64; 2], String::new());
        if want.len() != got.len() {
            worst = [f64::INFINITY; 2];
            reason = format!("{} elements, expected {}", got.len(), want.len());
        }
        for (i, (want, got)) in want.iter().zip(got).enumerate() {
            let bound = if stored == DType::F16 { want.stored_as_f16() } else { *want };
            let error = match stored {
                DType::F16 if overflows(&bound) => {
                    // A store beyond the largest f16 may give that or infinity.
                    if got.abs() >= F16_MAX && got.signum() == want.value.signum() { 0.0 } else { f64::INFINITY }
                }
                _ => (got - want.value).abs(),
            };
            for t in 0..2 {
                // NaN fails by every comparison; an exact result needs no bound.
                let ratio = if error == 0.0 { 0.0 } else { error / bound.error[t] };
                if ratio.is_nan() || ratio > worst[t] {
                    worst[t] = if ratio.is_nan() { f64::INFINITY } else { ratio };
                    if worst[t] > 1.0 && (t == 0 || reason.is_empty()) {
                        reason = format!("element {i}: got {got:e}, expected {:e} ± {:e}", want.value, bound.error[t]);
                    }
                }
            }
        }
        self.tiers(what, worst, reason);
    }

    /// A gate with an allowance per tier; the calibrated one is demanded of software adapters.
    fn tiers(&mut self, what: String, ratio: [f64; 2], reason: String) {
        let demanded = if self.context.is_software() { ratio[0].max(ratio[1]) } else { ratio[0] };
        let pass = demanded <= 1.0;
        let outcome = if pass { Outcome::Pass } else { Outcome::Fail };
        self.push(what, outcome, ratio[0], ratio[1], if pass { String::new() } else { reason });
    }

    /// `<v, Jᵀ w>` as the device has it against `<J v, w>` in dual numbers; the allowance is the bound of each
    /// gradient element times `|v|`.
    fn transpose(
        &mut self,
        op: &dyn AnyOp,
        inputs: &[Vec<f64>],
        cotangents: &[Vec<f64>],
        bounds: &[Vec<Bound>],
        computed: &Computed,
    ) {
        let mut random = Random::keyed(&format!("transpose {} {}", op.name(), self.case.label));
        let v: Vec<Vec<f64>> = inputs.iter().map(|x| x.iter().map(|_| random.signed()).collect()).collect();
        let tangent = directional(op, inputs, &v);
        let right: f64 = tangent.iter().zip(cotangents.concat()).map(|(t, w)| t * w).sum();
        let (mut left, mut allowed) = (0.0, 0.0);
        for (k, port) in op.inputs().iter().enumerate().filter(|(_, port)| port.is_real()) {
            let f16 = !is_parameter(op, port) && port.spec(self.dtype).dtype == DType::F16;
            for ((v, got), bound) in v[k].iter().zip(&computed.gradients[k]).zip(&bounds[k]) {
                let bound = if f16 { bound.stored_as_f16() } else { *bound };
                if f16 && overflows(&bound) {
                    return;
                }
                left += v * got;
                allowed += v.abs() * bound.error[0];
            }
        }
        // The f64 sums on both sides round as well.
        allowed += 1e-13 * (left.abs() + right.abs());
        let ratio = if left == right { 0.0 } else { (left - right).abs() / allowed };
        self.gate("transpose", ratio, &format!("<v, Jᵀ w> = {left:e}, <J v, w> = {right:e}"));
    }

    /// Two equal calls on one tape: the parameters' gradients are twice those of one.
    fn shared(
        &mut self,
        op: &dyn AnyOp,
        inputs: &[Vec<f64>],
        cotangents: &[Vec<f64>],
        bounds: &[Vec<Bound>],
    ) -> Result<()> {
        let computed = self.calls(inputs, cotangents, 2)?;
        self.context.overwritten_guards()?;
        for ((port, once), got) in op.inputs().iter().zip(bounds).zip(&computed.gradients) {
            if is_parameter(op, port) {
                let twice: Vec<Bound> = once.iter().map(|bound| *bound + *bound).collect();
                self.compare(format!("{}_bar of two calls", port.name), DType::F32, &twice, got);
            }
        }
        Ok(())
    }

    /// The twin with integers: nothing rounds, so nothing but equality passes.
    fn integers(&mut self, op: &dyn AnyOp) -> Result<()> {
        let keep =
            |port: &crate::ops::spec::Port, fill: &Fill| if port.is_real() { Fill::Integers } else { fill.clone() };
        let fills: Vec<Fill> = op.inputs().iter().zip(&self.case.fills).map(|(port, fill)| keep(port, fill)).collect();
        let (inputs, cotangents) = self.numbers(&fills, &Fill::Integers);
        let computed = self.compute(&inputs, &cotangents)?;
        self.context.overwritten_guards()?;
        let want = op.value(&views(&inputs));
        let want_gradients = op.value_vjp(&views(&inputs), &views(&cotangents));
        let mut wrong = 0;
        for (ports, want, got) in [
            (op.outputs(), &want, &computed.outputs),
            (if self.op.differentiable { op.inputs() } else { vec![] }, &want_gradients, &computed.gradients),
        ] {
            for ((port, want), got) in ports.iter().zip(want).zip(got).filter(|((port, _), _)| port.is_real()) {
                let f16 = port.spec(self.dtype).dtype == DType::F16;
                for (want, got) in want.iter().zip(got) {
                    // Integers past 2048 are not exact in f16, and no case is meant to reach them.
                    let exact = !f16 || round(*want, DType::F16) == *want;
                    wrong += usize::from(!exact || want != got);
                }
            }
        }
        self.gate("integers", wrong as f64, &format!("{wrong} elements are not exact"));
        Ok(())
    }

    /// A gate with one allowance: passes up to 1.
    fn gate(&mut self, what: &str, ratio: f64, reason: &str) {
        let pass = ratio <= 1.0 && (ratio == 0.0 || !matches!(what, "guards" | "repeat" | "integers"));
        let outcome = if pass { Outcome::Pass } else { Outcome::Fail };
        self.push(what.into(), outcome, ratio, ratio, if pass { String::new() } else { reason.into() });
    }

    fn push(&mut self, what: String, outcome: Outcome, ratio: f64, calibrated: f64, reason: String) {
        self.rows.push(Row {
            op: self.op.name,
            variant: self.case.variant,
            dtype: self.dtype,
            case: self.case.label.clone(),
            what,
            outcome,
            ratio,
            calibrated,
            reason,
        });
    }
}

const F16_MAX: f64 = 65504.0;

/// Whether the whole interval of a value lies beyond the largest f16.
fn overflows(bound: &Bound) -> bool {
    bound.value.abs() > F16_MAX
}

/// Gradients of weights are f32 whatever the storage type is: the ports of an op that it writes so.
fn is_parameter(op: &dyn AnyOp, port: &crate::ops::spec::Port) -> bool {
    op.parameters().contains(&port.name)
}

fn exact(data: &[Vec<f64>]) -> Vec<Vec<Bound>> {
    use crate::cpu::Real;
    data.iter().map(|v| v.iter().map(|x| Bound::exact(*x)).collect()).collect()
}

fn views<T>(data: &[Vec<T>]) -> Vec<&[T]> {
    data.iter().map(Vec::as_slice).collect()
}

fn differing(a: &Computed, b: &Computed) -> usize {
    let bits =
        |c: &Computed| -> Vec<u64> { c.outputs.iter().chain(&c.gradients).flatten().map(|v| v.to_bits()).collect() };
    bits(a).iter().zip(bits(b)).filter(|(a, b)| *a != b).count()
}

/// The integer stream, bit for bit.
fn noise_bits(context: &Context) -> Result<Row> {
    let stream = noise::Stream { seed: 0xFEDC_BA98_7654_3210, first_sample: 5, step: 2, stream: 9 };
    let (samples, run) = (3, 21_847);
    let mut commands = context.commands();
    let bits = commands.noise_bits(stream, &[samples, run])?;
    let got = commands.read_u32(&bits)?;
    let want = noise::bits(&stream, samples, run);
    let wrong = got.iter().zip(&want).filter(|(a, b)| a != b).count() + got.len().abs_diff(want.len());
    drop(bits);
    let overwritten = context.overwritten_guards()?;
    let pass = wrong == 0 && overwritten == 0;
    Ok(Row {
        op: "noise",
        variant: "bits",
        dtype: DType::U32,
        case: format!("[{samples}, {run}]"),
        what: "stream".into(),
        outcome: if pass { Outcome::Pass } else { Outcome::Fail },
        ratio: (wrong + overwritten) as f64,
        calibrated: (wrong + overwritten) as f64,
        reason: if pass { String::new() } else { format!("{wrong} words differ, {overwritten} guards overwritten") },
    })
}
