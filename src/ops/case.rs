//! One shape of an op: how its inputs are filled and which laws its outputs obey.

use super::spec::{AnyOp, Op};
use crate::cpu::Oscillators;
use crate::kernel::DType;

/// How a case fills an input.
#[derive(Clone, PartialEq, Debug)]
pub enum Fill {
    /// Uniform in `[-1, 1]`.
    Uniform,
    /// Uniform in `[low, high]`.
    Between(f64, f64),
    /// Random unit oscillators.
    Unit(Oscillators),
    /// Unit oscillators along a coordinate axis, signs alternating.
    Axes(Oscillators),
    /// Uniform mantissas times powers of two from `2^-exponent` to `2^exponent`.
    Mixed(i32),
    /// Zero everywhere.
    Zero,
    /// One nonzero element.
    OneHot,
    /// These numbers, repeated.
    Values(Vec<f64>),
    /// Integers from -2 to 2: sums of their products are exact, so nothing but equality passes.
    Integers,
}

/// Checks a law of the op on a device's outputs: the ratio of the deviation to what rounding allows; at most 1 holds.
pub type Law = fn(inputs: &[Vec<f64>], outputs: &[Vec<f64>], case: &Case, dtype: DType) -> f64;

/// One shape of one op: what conformance, gradients and benches run.
pub struct Case {
    /// The extents and options, for people.
    pub label: String,
    /// Which implementation is forced; `plain` where there is one.
    pub variant: &'static str,
    /// The op.
    pub op: Box<dyn AnyOp>,
    /// One per input.
    pub fills: Vec<Fill>,
    /// Laws of the outputs besides the reference, with their names.
    pub laws: Vec<(&'static str, Law)>,
    /// The oscillators of the first output, for laws of states.
    pub oscillators: Option<Oscillators>,
    /// Whether the op is linear in each input: its integer twin must then be exact.
    pub linear: bool,
    /// Whether benches time it.
    pub bench: bool,
    /// Whether the f64 ladder of gradient checks runs it; the full Jacobian is formed, so it must be small.
    pub ladder: bool,
}

impl Case {
    /// A case of the plain variant without laws.
    pub fn new(label: impl Into<String>, op: impl Op + Clone, fills: Vec<Fill>) -> Case {
        Case {
            label: label.into(),
            variant: "plain",
            op: Box::new(op),
            fills,
            laws: vec![],
            oscillators: None,
            linear: false,
            bench: false,
            ladder: false,
        }
    }

    /// Adds a law.
    pub fn law(mut self, name: &'static str, law: Law) -> Case {
        self.laws.push((name, law));
        self
    }

    /// The oscillators of the first output.
    pub fn oscillators(self, at: Oscillators) -> Case {
        Case { oscillators: Some(at), ..self }
    }

    /// The op is linear in each input.
    pub fn linear(self) -> Case {
        Case { linear: true, ..self }
    }

    /// Benches time this case.
    pub fn bench(self) -> Case {
        Case { bench: true, ..self }
    }

    /// The gradient ladder runs this case.
    pub fn ladder(self) -> Case {
        Case { ladder: true, ..self }
    }

    /// The forced implementation.
    pub fn variant(self, variant: &'static str) -> Case {
        Case { variant, ..self }
    }
}
