//! Values of one kind side by side: the states of a recurrence become one tensor that a readout maps at once.

use super::{Array, Backend, Tape, Value, Var};
use crate::error::{Error, ErrorKind, Result};

impl Tape {
    /// `K` values of one shape along a new first axis, `[K, ..]`: copies, no kernel. The cotangent of each is a slice of
    /// the result's.
    ///
    /// # Errors
    /// `Shape` for nothing or values of different shapes, `DType`, `Foreign`; on a device `Buffer` if the bytes of one
    /// value are no multiple of `min_storage_buffer_offset_alignment` (256 is one everywhere); `OutOfMemory`.
    pub fn stack(&mut self, vars: &[Var]) -> Result<Var> {
        let Some(first) = vars.first() else {
            return Err(Error::argument(ErrorKind::Shape, "stack", "vars", "nothing", "at least one value"));
        };
        let spec = self.spec(*first)?;
        let mut values = Vec::with_capacity(vars.len());
        for var in vars {
            let value = self.value(*var)?.clone();
            let got = value.spec();
            if got != spec {
                let kind = if got.shape == spec.shape { ErrorKind::DType } else { ErrorKind::Shape };
                return Err(Error::argument(kind, "stack", "a value", got, spec));
            }
            values.push(value);
        }
        let shape: Vec<usize> = std::iter::once(vars.len()).chain(spec.shape.iter().copied()).collect();
        let len = spec.len();
        let stacked = match &mut self.backend {
            #[cfg(feature = "gpu")]
            Backend::Device(commands) => {
                let all = commands.empty(&shape, spec.dtype)?;
                for (k, value) in values.iter().enumerate() {
                    commands.copy_into(value.tensor()?, &all.slice(k * len, &spec.shape)?)?;
                }
                Value::Device(all)
            }
            Backend::Reference => {
                let parts = values.iter().map(|value| Ok(value.array()?.data())).collect::<Result<Vec<_>>>()?;
                Value::Host(Array::new(parts.concat(), &shape, spec.dtype)?)
            }
        };
        self.push(stacked, vars, move |_, cotangent, needs| {
            let part = |(k, need): (usize, &bool)| need.then(|| cotangent.slice(k * len, &spec.shape)).transpose();
            needs.iter().enumerate().map(part).collect()
        })
    }
}
