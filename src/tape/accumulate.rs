//! Sums the cotangents of a value that was used more than once. The kernels are those of the ops `add` and `cast`,
//! kept here because the tape cannot name an op.

use super::value::{Array, Backend, Spec, Value};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor, Work, read, write};
use crate::kernel::{DType, Elem, Kernel, Params, input, output, source};

crate::params! {
    /// Parameters of the elementwise kernels without a scalar.
    pub(crate) struct Length { pub(crate) len: u32 }
}

/// `dst = a + b`.
pub(crate) static ADD: Kernel = Kernel {
    name: "add",
    source: source!("add", "grid"),
    params: Length::FIELDS,
    bindings: &[
        input("a", Elem::Storage, "[len]"),
        input("b", Elem::Storage, "[len]"),
        output("dst", Elem::Storage, "[len]"),
    ],
    constants: &[],
};

/// `dst = x`, from storage to f32.
pub(crate) static WIDEN: Kernel = Kernel {
    name: "cast",
    source: source!("cast", "grid"),
    params: Length::FIELDS,
    bindings: &[input("x", Elem::Storage, "[len]"), output("dst", Elem::F32, "[len]")],
    constants: &[],
};

/// `dst = x`, from f32 to storage.
pub(crate) static NARROW: Kernel = Kernel {
    name: "cast_bwd",
    source: source!("cast_bwd", "grid"),
    params: Length::FIELDS,
    bindings: &[input("x", Elem::F32, "[len]"), output("dst", Elem::Storage, "[len]")],
    constants: &[],
};

/// Adds the cotangent of a value like `spec` to what `slot` holds. An f16 and an f32 cotangent of one value (a tensor
/// used as a state and as a parameter) add up in f32.
pub(super) fn into(backend: &mut Backend, slot: &mut Option<Value>, cotangent: Value, spec: &Spec) -> Result<()> {
    if cotangent.spec().shape != spec.shape {
        let got = cotangent.spec();
        return Err(Error::argument(ErrorKind::Shape, "vjp", "a rule's cotangent", got, spec));
    }
    *slot = Some(match slot.take() {
        None => cotangent,
        Some(sum) => add(backend, &sum, &cotangent)?,
    });
    Ok(())
}

fn add(backend: &mut Backend, a: &Value, b: &Value) -> Result<Value> {
    match backend {
        #[cfg(feature = "gpu")]
        Backend::Device(commands) => {
            let (mut a, mut b) = (a.tensor()?.clone(), b.tensor()?.clone());
            if a.dtype() != b.dtype() {
                (a, b) = (widen(commands, &a)?, widen(commands, &b)?);
            }
            Ok(Value::Device(add_tensors(commands, &a, &b)?))
        }
        Backend::Reference => {
            let sum = crate::cpu::add::forward(a.array()?.data(), b.array()?.data());
            let dtype = if a.spec().dtype == b.spec().dtype { a.spec().dtype } else { DType::F32 };
            Ok(Value::Host(Array::new(sum, &a.spec().shape, dtype)?))
        }
    }
}

/// The cotangent in the type of its value: what ops compute in f32, because it is the gradient of a parameter, arrives
/// at an op that made the parameter in f16.
#[cfg_attr(not(feature = "gpu"), allow(unused_variables))]
pub(super) fn like(backend: &mut Backend, cotangent: Value, dtype: DType) -> Result<Value> {
    match backend {
        #[cfg(feature = "gpu")]
        Backend::Device(commands) => {
            let tensor = cotangent.tensor()?;
            Ok(Value::Device(match (tensor.dtype(), dtype) {
                (DType::F32, DType::F16) => narrow(commands, tensor, dtype)?,
                (DType::F16, DType::F32) => widen(commands, tensor)?,
                _ => return Ok(cotangent),
            }))
        }
        Backend::Reference => Ok(cotangent),
    }
}

#[cfg(feature = "gpu")]
pub(crate) fn add_tensors(commands: &mut Commands, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let dst = commands.empty(a.shape(), a.dtype())?;
    let len = a.len();
    let binds = [read(a), read(b), write(&dst)];
    commands.dispatch(&ADD, a.dtype(), &[], &Length { len: len as u32 }, &binds, Work::invocations(len).flops(len))?;
    Ok(dst)
}

#[cfg(feature = "gpu")]
pub(crate) fn widen(commands: &mut Commands, x: &Tensor) -> Result<Tensor> {
    if x.dtype() == DType::F32 {
        return Ok(x.clone());
    }
    let dst = commands.empty(x.shape(), DType::F32)?;
    let len = x.len();
    let binds = [read(x), write(&dst)];
    commands.dispatch(&WIDEN, x.dtype(), &[], &Length { len: len as u32 }, &binds, Work::invocations(len))?;
    Ok(dst)
}

#[cfg(feature = "gpu")]
pub(crate) fn narrow(commands: &mut Commands, x: &Tensor, to: DType) -> Result<Tensor> {
    let dst = commands.empty(x.shape(), to)?;
    let len = x.len();
    let binds = [read(x), write(&dst)];
    commands.dispatch(&NARROW, to, &[], &Length { len: len as u32 }, &binds, Work::invocations(len))?;
    Ok(dst)
}
