//! Trading work for memory: a segment of the calculation keeps its inputs alone and is computed again when the backward
//! pass reaches it.

use std::ops::Range;
use std::sync::Arc;

use super::{Backend, Rule, Tape, Value, Var};
use crate::error::{Error, ErrorKind, Result};

/// What a repeated step keeps for its backward pass.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Storage {
    /// Every intermediate of every step: the fastest, memory grows with steps times intermediates.
    Everything,
    /// The state after every `k`-th step; the backward pass computes `k` steps at a time once more. Memory is smallest
    /// near `k = sqrt(steps)`; `Every(1)` keeps the states alone.
    Every(usize),
}

impl Storage {
    /// `Every(k)` with `k = ceil(sqrt(steps))`.
    pub fn balanced(steps: usize) -> Storage {
        let mut k = 1;
        while k * k < steps {
            k += 1;
        }
        Storage::Every(k)
    }
}

/// What one step returns: the state after it, and values to hand out.
#[derive(Clone, Debug, Default)]
pub struct Stepped {
    /// As many as are carried into the step, of the same extents.
    pub carried: Vec<Var>,
    /// As many in every step.
    pub emitted: Vec<Var>,
}

/// What all steps returned.
#[derive(Clone, Debug, Default)]
pub struct Repeated {
    /// The state after the last step.
    pub carried: Vec<Var>,
    /// What each step emitted.
    pub emitted: Vec<Vec<Var>>,
}

impl Tape {
    /// Computes `segment` over `inputs` and forgets everything within it; the backward pass computes it a second time.
    /// Where no input wants a gradient nothing is computed twice, and memory is saved all the same.
    ///
    /// `segment` sees variables of an inner tape, one per input, in order. Everything it needs has to be among `inputs`:
    /// a variable of this tape that it captures is `Foreign` there. It must compute the same each time.
    ///
    /// # Errors
    /// `Foreign`; whatever `segment` returns.
    pub fn checkpoint(
        &mut self,
        inputs: &[Var],
        segment: impl Fn(&mut Tape, &[Var]) -> Result<Vec<Var>> + 'static,
    ) -> Result<Vec<Var>> {
        let values = self.values(inputs)?;
        let outputs = forgetting(&mut self.backend, &values, &segment)?;
        self.push_all(outputs, inputs, again(values, segment))
    }

    /// Runs `step` `steps` times from the state `carried`, with the same `shared` values each time, and keeps for the
    /// backward pass what `storage` says.
    ///
    /// With a state of `S` bytes and `M` bytes of intermediates in one step, `Storage::Everything` holds `T M` and
    /// `Storage::Every(k)` holds `S T / k + M k` while the backward pass is in one segment. Where nothing wants a
    /// gradient, neither holds more than one step.
    ///
    /// `step` gets the carried and the shared variables of the tape that it is to record on; what else it needs of a
    /// tape must come through them.
    ///
    /// # Errors
    /// `Param` for `Every(0)` or a step that carries another number of values than it got; `Foreign`; whatever `step`
    /// returns.
    pub fn repeat(
        &mut self,
        steps: usize,
        storage: Storage,
        carried: &[Var],
        shared: &[Var],
        step: impl Fn(&mut Tape, &[Var], &[Var]) -> Result<Stepped> + 'static,
    ) -> Result<Repeated> {
        if storage == Storage::Every(0) {
            return Err(Error::argument(
                ErrorKind::Param,
                "repeat",
                "storage",
                "every 0th state",
                "every 1st or rarer",
            ));
        }
        let width = carried.len();
        let step = move |tape: &mut Tape, carried: &[Var], shared: &[Var]| {
            let stepped = step(tape, carried, shared)?;
            match stepped.carried.len() == width {
                true => Ok(stepped),
                false => {
                    let got = format!("{} carried values", stepped.carried.len());
                    Err(Error::argument(ErrorKind::Param, "repeat", "the step's result", got, width))
                }
            }
        };
        let mut differentiated = false;
        for var in carried.iter().chain(shared) {
            differentiated |= self.needs_grad(*var)?;
        }
        let mut result = Repeated { carried: carried.to_vec(), emitted: Vec::with_capacity(steps) };
        let every = match (differentiated, storage) {
            (true, Storage::Everything) => {
                for _ in 0..steps {
                    let stepped = step(self, &result.carried, shared)?;
                    result.carried = stepped.carried;
                    result.emitted.push(stepped.emitted);
                }
                return Ok(result);
            }
            (true, Storage::Every(k)) => k,
            (false, _) => steps.max(1),
        };
        let step = Arc::new(step);
        for start in (0..steps).step_by(every) {
            self.segment(start..(start + every).min(steps), shared, &step, &mut result)?;
        }
        Ok(result)
    }

    /// Steps that keep nothing but where they started.
    fn segment<F>(&mut self, steps: Range<usize>, shared: &[Var], step: &Arc<F>, result: &mut Repeated) -> Result<()>
    where
        F: Fn(&mut Tape, &[Var], &[Var]) -> Result<Stepped> + 'static,
    {
        let width = result.carried.len();
        let inputs: Vec<Var> = result.carried.iter().chain(shared).copied().collect();
        let values = self.values(&inputs)?;
        // One inner tape a step: the intermediates of a step are gone before the next begins.
        let mut state = values[..width].to_vec();
        let mut emitted = Vec::new();
        for _ in steps.clone() {
            let inputs: Vec<Value> = state.iter().chain(&values[width..]).cloned().collect();
            state = forgetting(&mut self.backend, &inputs, &|tape: &mut Tape, vars: &[Var]| {
                let stepped = step(tape, &vars[..width], &vars[width..])?;
                Ok([stepped.carried, stepped.emitted].concat())
            })?;
            emitted.push(state.split_off(width));
        }
        let sizes: Vec<usize> = emitted.iter().map(Vec::len).collect();
        state.extend(emitted.into_iter().flatten());
        let (step, count) = (step.clone(), steps.len());
        let all = move |tape: &mut Tape, vars: &[Var]| {
            let (mut carried, mut emitted) = (vars[..width].to_vec(), Vec::new());
            for _ in 0..count {
                let stepped = step(tape, &carried, &vars[width..])?;
                carried = stepped.carried;
                emitted.extend(stepped.emitted);
            }
            carried.extend(emitted);
            Ok(carried)
        };
        let mut vars = self.push_all(state, &inputs, again(values, all))?.into_iter();
        result.carried = vars.by_ref().take(width).collect();
        result.emitted.extend(sizes.into_iter().map(|size| vars.by_ref().take(size).collect()));
        Ok(())
    }

    /// Runs `f` on a tape of its own over this one's backend. Nothing of it stays but what `f` returns.
    ///
    /// # Errors
    /// Whatever `f` returns.
    pub fn apart<T>(&mut self, f: impl FnOnce(&mut Tape) -> Result<T>) -> Result<T> {
        within(&mut self.backend, f)
    }

    fn values(&self, vars: &[Var]) -> Result<Vec<Value>> {
        vars.iter().map(|var| Ok(self.value(*var)?.clone())).collect()
    }
}

/// A part of a calculation.
type Segment<'a> = dyn Fn(&mut Tape, &[Var]) -> Result<Vec<Var>> + 'a;

/// The outputs of `segment`, of which nothing else stays.
fn forgetting(backend: &mut Backend, values: &[Value], segment: &Segment) -> Result<Vec<Value>> {
    within(backend, |inner| {
        let vars: Vec<Var> = values.iter().map(|value| inner.constant(value.clone())).collect();
        let outputs = segment(inner, &vars)?;
        inner.values(&outputs)
    })
}

/// The rule of a segment: compute it again, recorded, and differentiate that.
fn again(values: Vec<Value>, segment: impl Fn(&mut Tape, &[Var]) -> Result<Vec<Var>> + 'static) -> Rule {
    Box::new(move |backend, cotangents, needs| {
        within(backend, |inner| {
            let vars: Vec<Var> =
                values.iter().zip(needs).map(|(value, need)| inner.node(value.clone(), *need)).collect();
            let outputs = segment(inner, &vars)?;
            let seeds: Vec<(Var, Value)> =
                outputs.into_iter().zip(cotangents).filter_map(|(var, c)| Some((var, c.clone()?))).collect();
            let grads = inner.vjp(&seeds)?;
            Ok(vars.iter().map(|var| grads.get(*var).cloned()).collect())
        })
    })
}

/// Runs `f` on a tape of its own over the same backend.
pub(crate) fn within<T>(backend: &mut Backend, f: impl FnOnce(&mut Tape) -> Result<T>) -> Result<T> {
    let mut inner = Tape::over(std::mem::replace(backend, Backend::Reference));
    let result = f(&mut inner);
    *backend = inner.backend;
    result
}
