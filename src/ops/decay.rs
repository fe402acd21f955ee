//! The factors of a diagonal linear step that decays by construction.

use super::spec::{Case, Fill, Op, OpSpec, Port};
use crate::cpu::{Real, decay as cpu};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
use crate::kernel::{DType, Elem, Kernel, Params as _, input, output, source};
use crate::tape::{Tape, Var};

crate::params! {
    /// Parameters of the forward kernel.
    struct Params { len: u32 }
}

crate::params! {
    /// Parameters of the backward kernel.
    struct ParamsBwd { len: u32, has_keep: u32, has_step: u32 }
}

/// Forward.
pub static FORWARD: Kernel = Kernel {
    name: "decay",
    source: source!("decay", "grid"),
    params: Params::FIELDS,
    bindings: &[
        input("log_rate", Elem::F32, "[len]"),
        input("raw_step", Elem::F32, "[len]"),
        output("keep", Elem::F32, "[len]"),
        output("step", Elem::F32, "[len]"),
    ],
    constants: &[],
};

/// Backward.
pub static BACKWARD: Kernel = Kernel {
    name: "decay_bwd",
    source: source!("decay_bwd", "grid"),
    params: ParamsBwd::FIELDS,
    bindings: &[
        input("log_rate", Elem::F32, "[len]"),
        input("raw_step", Elem::F32, "[len]"),
        input("keep_bar", Elem::F32, "[len]"),
        input("step_bar", Elem::F32, "[len]"),
        output("log_rate_bar", Elem::F32, "[len]"),
        output("raw_step_bar", Elem::F32, "[len]"),
    ],
    constants: &[],
};

/// The factors of so many channels.
#[derive(Clone, Debug)]
pub struct Decay {
    channels: usize,
}

impl Decay {
    /// Factors of as many channels as `shape`, which has one extent.
    ///
    /// # Errors
    /// `Shape`, `Index` past 32 bits.
    pub fn new(shape: &[usize]) -> Result<Decay> {
        let &[channels] = shape else {
            return Err(Error::argument(ErrorKind::Shape, "decay", "log_rate", format!("{shape:?}"), "[channels]"));
        };
        super::layout::indexable("decay", shape)?;
        Ok(Decay { channels })
    }
}

impl Op for Decay {
    fn name(&self) -> &'static str {
        "decay"
    }
    fn inputs(&self) -> Vec<Port> {
        vec![Port::f32("log_rate", &[self.channels]), Port::f32("raw_step", &[self.channels])]
    }
    fn outputs(&self) -> Vec<Port> {
        vec![Port::f32("keep", &[self.channels]), Port::f32("step", &[self.channels])]
    }
    fn dtype(&self) -> Option<DType> {
        Some(DType::F32)
    }
    fn reference<R: Real>(&self, inputs: &[&[R]]) -> Vec<Vec<R>> {
        cpu::forward(inputs[0], inputs[1]).into()
    }
    fn reference_vjp<R: Real>(&self, inputs: &[&[R]], cotangents: &[&[R]]) -> Vec<Vec<R>> {
        cpu::backward(inputs[0], inputs[1], cotangents[0], cotangents[1]).into()
    }
    #[cfg(feature = "gpu")]
    fn forward(&self, commands: &mut Commands, inputs: &[&Tensor], _: DType) -> Result<Vec<Tensor>> {
        let [keep, step] =
            [commands.empty(&[self.channels], DType::F32)?, commands.empty(&[self.channels], DType::F32)?];
        let work = Work::invocations(self.channels).flops(8 * self.channels);
        let binds = [read(inputs[0]), read(inputs[1]), write(&keep), write(&step)];
        commands.dispatch(&FORWARD, DType::F32, &[], &Params { len: self.channels as u32 }, &binds, work)?;
        Ok(vec![keep, step])
    }
    #[cfg(feature = "gpu")]
    fn backward(
        &self,
        commands: &mut Commands,
        inputs: &[&Tensor],
        cotangents: &[Option<&Tensor>],
        _: &[bool],
        _: DType,
    ) -> Result<Vec<Option<Tensor>>> {
        let [l, r] = [commands.empty(&[self.channels], DType::F32)?, commands.empty(&[self.channels], DType::F32)?];
        let params = ParamsBwd {
            len: self.channels as u32,
            has_keep: cotangents[0].is_some().into(),
            has_step: cotangents[1].is_some().into(),
        };
        let bar = |at: usize| read(cotangents[at].unwrap_or(inputs[0]));
        let binds = [read(inputs[0]), read(inputs[1]), bar(0), bar(1), write(&l), write(&r)];
        let work = Work::invocations(self.channels).flops(16 * self.channels);
        commands.dispatch(&BACKWARD, DType::F32, &[], &params, &binds, work)?;
        Ok(vec![Some(l), Some(r)])
    }
}

#[cfg(feature = "gpu")]
impl Commands {
    /// `[keep, step]` per channel with `step = softplus(raw_step)` and `keep = exp(-step exp(log_rate))`, which lies
    /// between 0 and 1: `x' = keep x + step u` decays without input. All `[C]` in f32, where `keep` rounds to 1 once
    /// `step exp(log_rate)` is below 2^-25.
    ///
    /// # Errors
    /// `Shape`, `DType`, `Index`; as [`Commands::apply`].
    pub fn decay(&mut self, log_rate: &Tensor, raw_step: &Tensor) -> Result<[Tensor; 2]> {
        let mut found = self.apply(&Decay::new(log_rate.shape())?, &[log_rate, raw_step])?;
        let keep = found.remove(0);
        Ok([keep, found.remove(0)])
    }
}

impl Tape {
    /// As [`Commands::decay`](crate::Commands::decay), differentiable.
    ///
    /// # Errors
    /// As [`Commands::decay`](crate::Commands::decay).
    pub fn decay(&mut self, log_rate: Var, raw_step: Var) -> Result<[Var; 2]> {
        let op = Decay::new(&self.spec(log_rate)?.shape)?;
        let found = self.apply(op, &[log_rate, raw_step])?;
        Ok([found[0], found[1]])
    }
}

/// The op.
pub static SPEC: OpSpec = OpSpec {
    name: "decay",
    formula: "keep = exp(-step exp(log_rate)), step = ln(1 + exp(raw_step))",
    differentiable: true,
    kernels: &[&FORWARD, &BACKWARD],
    cases,
};

/// What a decay is for: every factor lies between 0 and 1.
fn contracts(_: &[Vec<f64>], outputs: &[Vec<f64>], _: &Case, _: DType) -> f64 {
    let outside = |v: &f64| !(0.0..=1.0).contains(v);
    if outputs[0].iter().any(outside) || outputs[1].iter().any(|v| v.is_nan() || *v < 0.0) {
        f64::INFINITY
    } else {
        0.0
    }
}

fn cases() -> Vec<Case> {
    let case = |len: usize, label: &str, fill: Fill| {
        let op = Decay::new(&[len]).ok()?;
        Some(Case::new(format!("[{len}]{label}"), op, vec![fill.clone(), fill]).law("a contraction", contracts))
    };
    let mut cases: Vec<Case> =
        [0, 1, 3, 63, 64, 65, 257].iter().filter_map(|len| case(*len, "", Fill::Between(-3.0, 3.0))).collect();
    cases.extend(case(5, " ladder", Fill::Between(-2.0, 2.0)).map(Case::ladder));
    cases.extend(case(70, " mixed scales", Fill::Mixed(4)));
    cases.extend(case(7, " far", Fill::Values(vec![-40.0, 30.0, -90.0, 4.0])));
    cases.extend(case(4096, "", Fill::Between(-3.0, 3.0)).map(Case::bench));
    cases
}
