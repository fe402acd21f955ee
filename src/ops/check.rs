//! What a checked context looks at before an op runs. Each check is a kernel and a readback.

use super::spec::Op;
use crate::error::{Error, ErrorKind, Result};
use crate::kernel::{Elem, Kernel, Params as _, input, output, source};

crate::params! {
    /// Parameters of `check_finite`.
    struct Finite { len: u32, is_f16: u32 }
}

crate::params! {
    /// Parameters of `check_unit`.
    struct Unit { count: u32, n: u32, inner: u32 }
}

/// Counts NaN and infinities.
pub static CHECK_FINITE: Kernel = Kernel {
    name: "check_finite",
    source: source!("check_finite"),
    params: Finite::FIELDS,
    bindings: &[input("words", Elem::Words, "[len] elements"), output("result", Elem::U32, "[2]")],
    constants: &[],
};

/// Measures how far oscillators are from the unit sphere.
pub static CHECK_UNIT: Kernel = Kernel {
    name: "check_unit",
    source: source!("check_unit", "sphere"),
    params: Unit::FIELDS,
    bindings: &[input("x", Elem::Storage, "[outer, n, inner]"), output("deviation", Elem::F32, "[WG]")],
    constants: &[],
};

#[cfg(feature = "gpu")]
pub(super) use device::inputs;

/// Refuses an index past what it indexes.
pub(super) fn indices<O: Op>(op: &O, inputs: &[&[f64]]) -> Result<()> {
    for (at, extent) in op.index_inputs() {
        let found = inputs[at].iter().find(|index| **index >= extent as f64);
        if let (Some(index), Some(port)) = (found, op.inputs().get(at)) {
            return Err(Error::argument(ErrorKind::Index, op.name(), port.name, index, format!("below {extent}")));
        }
    }
    Ok(())
}

#[cfg(feature = "gpu")]
mod device {
    use super::{CHECK_FINITE, CHECK_UNIT, Finite, Unit};
    use crate::cpu::Oscillators;
    use crate::error::{Error, ErrorKind, Result};
    use crate::gpu::{Commands, Tensor, Work, read, write};
    use crate::kernel::{DType, WORKGROUP};
    use crate::ops::spec::Op;

    const LANES: usize = WORKGROUP as usize;

    /// Refuses non-finite inputs and states off the sphere, in a checked context.
    pub(in crate::ops) fn inputs<O: Op>(commands: &mut Commands, op: &O, inputs: &[&Tensor]) -> Result<()> {
        if !commands.context().is_checked() {
            return Ok(());
        }
        for (port, tensor) in op.inputs().iter().zip(inputs) {
            finite(commands, op.name(), port.name, tensor)?;
        }
        for (at, extent) in op.index_inputs() {
            if let (Some(tensor), Some(port)) = (inputs.get(at), op.inputs().get(at)) {
                let indices = commands.read_u32(tensor)?;
                if let Some(index) = indices.into_iter().find(|index| *index as usize >= extent) {
                    let wanted = format!("below {extent}");
                    return Err(Error::argument(ErrorKind::Index, op.name(), port.name, index, wanted));
                }
            }
        }
        for (at, oscillators) in op.unit_inputs() {
            if let (Some(tensor), Some(port)) = (inputs.get(at), op.inputs().get(at)) {
                unit(commands, op.name(), port.name, tensor, &oscillators)?;
            }
        }
        Ok(())
    }

    fn finite(commands: &mut Commands, op: &str, argument: &str, tensor: &Tensor) -> Result<()> {
        if tensor.is_empty() || tensor.dtype() == DType::U32 {
            return Ok(());
        }
        let result = commands.empty(&[2], DType::U32)?;
        let params = Finite { len: tensor.len() as u32, is_f16: u32::from(tensor.dtype() == DType::F16) };
        let binds = [read(tensor), write(&result)];
        let work = Work::workgroups(1).rounds(tensor.len().div_ceil(LANES) + 8);
        commands.dispatch(&CHECK_FINITE, DType::F32, &[], &params, &binds, work)?;
        match commands.read_u32(&result)?.as_slice() {
            [0, _] => Ok(()),
            [count, first] => {
                let got = format!("not finite at {count} elements, the first at index {first}");
                Err(Error::argument(ErrorKind::NonFinite, op, argument, got, "finite numbers"))
            }
            _ => Ok(()),
        }
    }

    /// Unit states come from a normalisation: each component is within a few roundings, f16 storage within `2^-11` of each
    /// component's magnitude, so that the squared norm is off by at most `2^-10`. The margin is a factor of four on both.
    fn tolerance(dtype: DType) -> f32 {
        match dtype {
            DType::F16 => 4.0 / 1024.0,
            _ => 4e-6,
        }
    }

    fn unit(commands: &mut Commands, op: &str, argument: &str, tensor: &Tensor, at: &Oscillators) -> Result<()> {
        if tensor.is_empty() {
            return Ok(());
        }
        let deviation = commands.empty(&[WORKGROUP as usize], DType::F32)?;
        let params = Unit { count: at.count() as u32, n: at.n as u32, inner: at.inner as u32 };
        let binds = [read(tensor), write(&deviation)];
        let work = Work::workgroups(1).rounds(at.count().div_ceil(LANES) * (at.n + 1));
        commands.dispatch(&CHECK_UNIT, tensor.dtype(), &[], &params, &binds, work)?;
        let largest = commands.read(&deviation)?.into_iter().fold(0.0, f32::max);
        let allowed = tolerance(tensor.dtype());
        if largest <= allowed {
            return Ok(());
        }
        let got = format!("off the unit sphere, | |x|^2 - 1 | is up to {largest:e}");
        let wanted = format!("at most {allowed:e}; call sphere_normalize first");
        Err(Error::argument(ErrorKind::NotUnit, op, argument, got, wanted))
    }
}
