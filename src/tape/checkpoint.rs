//! Trading work for memory: a segment of the calculation keeps its inputs alone and is computed again when the backward
//! pass reaches it.

use super::{Backend, Tape, Value, Var};
use crate::error::Result;

impl Tape {
    /// Computes `segment` over `inputs` and forgets everything within it; the backward pass computes it a second time.
    ///
    /// With `T` equal steps of state size `S` and intermediate size `M` each, one segment per `k` steps holds
    /// `T / k` states and, while one segment is differentiated, the intermediates of `k` steps: `S T / k + M k` bytes in
    /// place of `M T`. Where no input wants a gradient nothing is computed twice, and only memory is saved.
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
        let values = inputs.iter().map(|var| Ok(self.value(*var)?.clone())).collect::<Result<Vec<Value>>>()?;
        let outputs = within(&mut self.backend, |inner| {
            let vars: Vec<Var> = values.iter().map(|value| inner.constant(value.clone())).collect();
            let outputs = segment(inner, &vars)?;
            outputs.iter().map(|var| Ok(inner.value(*var)?.clone())).collect::<Result<Vec<Value>>>()
        })?;
        let rule = move |backend: &mut Backend, cotangents: &[Option<Value>], needs: &[bool]| {
            within(backend, |inner| {
                let vars: Vec<Var> =
                    values.iter().zip(needs).map(|(value, need)| inner.node(value.clone(), *need)).collect();
                let outputs = segment(inner, &vars)?;
                let seeds: Vec<(Var, Value)> =
                    outputs.into_iter().zip(cotangents).filter_map(|(var, c)| Some((var, c.clone()?))).collect();
                let grads = inner.vjp(&seeds)?;
                Ok(vars.iter().map(|var| grads.get(*var).cloned()).collect())
            })
        };
        self.push_all(outputs, inputs, Box::new(rule))
    }
}

/// Runs `f` on a tape of its own over the same backend.
fn within<T>(backend: &mut Backend, f: impl FnOnce(&mut Tape) -> Result<T>) -> Result<T> {
    let mut inner = Tape::over(std::mem::replace(backend, Backend::Reference));
    let result = f(&mut inner);
    *backend = inner.backend;
    result
}
