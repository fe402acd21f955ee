//! Several states that settle together.

use super::iterate::check_state;
use crate::error::{Error, ErrorKind, Result};
use crate::kernel::DType;
use crate::tape::{Spec, Tape, Value, Var};

/// States that are solved for as one: `(a, b, ...) = f(a, b, ..., p)`, each f32 `[samples, ...]` with extents of its own.
/// They are packed side by side, sample by sample, so that a sample converges when all of its states have together: its
/// residual is the norm over all of them.
///
/// ```
/// use kuramoto::solve::{Adjoint, Joint, Method, SolveOptions, fixed_point};
/// use kuramoto::{DType, Result, Tape, Var};
///
/// fn main() -> Result<()> {
///     let mut tape = Tape::reference();
///     let a = tape.upload(&[1.0; 6], &[2, 3], DType::F32)?;
///     let b = tape.upload(&[0.0; 6], &[2, 3], DType::F32)?;
///     let states = [tape.constant(a), tape.constant(b)];
///     let joint = Joint::of(&tape, &states)?;
///     let start = joint.pack(&mut tape, &states)?;
///     // a = tanh(b / 2), b = a / 2 + 1
///     let f = joint.step(|tape: &mut Tape, states: &[Var], p: &[Var]| {
///         let half = tape.scale(0.5, states[1])?;
///         Ok(vec![tape.tanh(half)?, tape.axpy(0.5, states[0], p[0])?])
///     });
///     let one = tape.upload(&[1.0; 6], &[2, 3], DType::F32)?;
///     let one = tape.leaf(one);
///     let options = SolveOptions::new(Method::anderson(5), 1e-6, 50);
///     let found = fixed_point(&mut tape, start, &[one], f, &options, &Adjoint::neumann(20))?;
///     let states = joint.unpack(&mut tape, found.converged()?)?;
///     println!("{:?}", tape.read(states[0])?);
///     Ok(())
/// }
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Joint {
    shapes: Vec<Vec<usize>>,
}

impl Joint {
    /// Of states of these extents, `[samples, ...]` each.
    ///
    /// # Errors
    /// `Param` without a state; `Shape` without an axis of samples, or if their numbers of samples differ.
    pub fn new(shapes: &[Vec<usize>]) -> Result<Joint> {
        let Some(first) = shapes.first() else {
            return Err(Error::argument(ErrorKind::Param, "Joint", "shapes", 0, "at least one state"));
        };
        for shape in shapes {
            check_state(&Spec { shape: shape.clone(), dtype: DType::F32 })?;
            if shape[0] != first[0] {
                let wanted = format!("{} samples as the first state", first.first().copied().unwrap_or(0));
                return Err(Error::argument(ErrorKind::Shape, "Joint", "shapes", format!("{shape:?}"), wanted));
            }
        }
        Ok(Joint { shapes: shapes.to_vec() })
    }

    /// Of the extents of these variables.
    ///
    /// # Errors
    /// As [`Joint::new`]; `DType` if one is not f32, `Foreign` for a variable of another tape.
    pub fn of(tape: &Tape, states: &[Var]) -> Result<Joint> {
        let specs = states.iter().map(|state| tape.spec(*state)).collect::<Result<Vec<_>>>()?;
        specs.iter().try_for_each(check_state)?;
        Joint::new(&specs.into_iter().map(|spec| spec.shape).collect::<Vec<_>>())
    }

    /// Elements of each state of a sample.
    fn runs(&self) -> impl Iterator<Item = usize> {
        self.shapes.iter().map(|shape| shape[1..].iter().product())
    }

    /// The states as one, `[samples, elements of all]`, differentiable.
    ///
    /// # Errors
    /// `Param` for another number of states, `Shape` for other extents; as [`Tape::concat`].
    pub fn pack(&self, tape: &mut Tape, states: &[Var]) -> Result<Var> {
        if states.len() != self.shapes.len() {
            return Err(Error::argument(ErrorKind::Param, "Joint", "states", states.len(), self.shapes.len()));
        }
        let mut packed = None;
        for ((state, shape), run) in states.iter().zip(&self.shapes).zip(self.runs()) {
            let own = tape.spec(*state)?.shape;
            if own != *shape {
                let (got, wanted) = (format!("{own:?}"), format!("{shape:?}"));
                return Err(Error::argument(ErrorKind::Shape, "Joint", "state", got, wanted));
            }
            let flat = tape.reshape(*state, &[shape[0], run])?;
            packed = Some(match packed {
                None => flat,
                Some(before) => tape.concat(before, flat, 1)?,
            });
        }
        packed.ok_or_else(|| Error::argument(ErrorKind::Param, "Joint", "states", 0, "at least one"))
    }

    /// The states of a packed one, each with its extents, differentiable.
    ///
    /// # Errors
    /// `Shape` for what [`Joint::pack`] does not return.
    pub fn unpack(&self, tape: &mut Tape, packed: Var) -> Result<Vec<Var>> {
        let shape = tape.spec(packed)?.shape;
        let wanted = [self.shapes[0][0], self.runs().sum()];
        if shape != wanted {
            let (got, wanted) = (format!("{shape:?}"), format!("{wanted:?}"));
            return Err(Error::argument(ErrorKind::Shape, "Joint", "packed", got, wanted));
        }
        let mut start = 0;
        let mut states = Vec::with_capacity(self.shapes.len());
        for (shape, run) in self.shapes.iter().zip(self.runs()) {
            let part = tape.narrow(packed, 1, start, run)?;
            states.push(tape.reshape(part, shape)?);
            start += run;
        }
        Ok(states)
    }

    /// The states of a packed value, such as [`Solution::best`](super::Solution::best) is.
    ///
    /// # Errors
    /// As [`Joint::unpack`].
    pub fn unpack_value(&self, tape: &mut Tape, packed: &Value) -> Result<Vec<Value>> {
        tape.apart(|inner| {
            let packed = inner.constant(packed.clone());
            let states = self.unpack(inner, packed)?;
            states.into_iter().map(|state| Ok(inner.value(state)?.clone())).collect()
        })
    }

    /// `f` of several states as a step of the packed one, for [`solve`](super::solve) and
    /// [`fixed_point`](super::fixed_point). What `f` returns has the extents of its states, in their order.
    pub fn step(
        &self,
        f: impl Fn(&mut Tape, &[Var], &[Var]) -> Result<Vec<Var>> + 'static,
    ) -> impl Fn(&mut Tape, Var, &[Var]) -> Result<Var> + 'static {
        let joint = self.clone();
        move |tape, packed, params| {
            let states = joint.unpack(tape, packed)?;
            let images = f(tape, &states, params)?;
            joint.pack(tape, &images)
        }
    }
}
