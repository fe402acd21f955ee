//! Ops of any type, for tables of cases.

use super::spec::{Op, Port};
use crate::cpu::{Bound, Dual};
use crate::error::Result;
use crate::kernel::DType;
use crate::tape::{Tape, Var};

/// An [`Op`] whose type is forgotten: what a table of cases holds.
pub trait AnyOp: Send + Sync {
    /// [`Op::name`].
    fn name(&self) -> &'static str;
    /// [`Op::inputs`].
    fn inputs(&self) -> Vec<Port>;
    /// [`Op::outputs`].
    fn outputs(&self) -> Vec<Port>;
    /// [`Op::dtype`].
    fn dtype(&self) -> Option<DType>;
    /// [`Op::parameters`].
    fn parameters(&self) -> &'static [&'static str];
    /// [`Tape::apply`].
    ///
    /// # Errors
    /// As [`Tape::apply`].
    fn apply(&self, tape: &mut Tape, inputs: &[Var]) -> Result<Vec<Var>>;
    /// [`Op::reference`] in f64.
    fn value(&self, inputs: &[&[f64]]) -> Vec<Vec<f64>>;
    /// [`Op::reference_vjp`] in f64.
    fn value_vjp(&self, inputs: &[&[f64]], cotangents: &[&[f64]]) -> Vec<Vec<f64>>;
    /// [`Op::reference`] with derivatives along one direction.
    fn dual(&self, inputs: &[&[Dual]]) -> Vec<Vec<Dual>>;
    /// [`Op::reference`] with error bounds.
    fn bound(&self, inputs: &[&[Bound]]) -> Vec<Vec<Bound>>;
    /// [`Op::reference_vjp`] with error bounds.
    fn bound_vjp(&self, inputs: &[&[Bound]], cotangents: &[&[Bound]]) -> Vec<Vec<Bound>>;
}

impl<O: Op + Clone> AnyOp for O {
    fn name(&self) -> &'static str {
        Op::name(self)
    }
    fn inputs(&self) -> Vec<Port> {
        Op::inputs(self)
    }
    fn outputs(&self) -> Vec<Port> {
        Op::outputs(self)
    }
    fn dtype(&self) -> Option<DType> {
        Op::dtype(self)
    }
    fn parameters(&self) -> &'static [&'static str] {
        Op::parameters(self)
    }
    fn apply(&self, tape: &mut Tape, inputs: &[Var]) -> Result<Vec<Var>> {
        tape.apply(self.clone(), inputs)
    }
    fn value(&self, inputs: &[&[f64]]) -> Vec<Vec<f64>> {
        self.reference(inputs)
    }
    fn value_vjp(&self, inputs: &[&[f64]], cotangents: &[&[f64]]) -> Vec<Vec<f64>> {
        self.reference_vjp(inputs, cotangents)
    }
    fn dual(&self, inputs: &[&[Dual]]) -> Vec<Vec<Dual>> {
        self.reference(inputs)
    }
    fn bound(&self, inputs: &[&[Bound]]) -> Vec<Vec<Bound>> {
        self.reference(inputs)
    }
    fn bound_vjp(&self, inputs: &[&[Bound]], cotangents: &[&[Bound]]) -> Vec<Vec<Bound>> {
        self.reference_vjp(inputs, cotangents)
    }
}
