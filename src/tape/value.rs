//! What a tape holds: tensors of a device, or arrays of the reference backend.

use std::fmt;
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor};
use crate::kernel::DType;

/// Extents and element type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Spec {
    /// Extents, outermost first.
    pub shape: Vec<usize>,
    /// Element type.
    pub dtype: DType,
}

impl Spec {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} in {}", self.shape, self.dtype)
    }
}

/// A row-major array of the reference backend. Its element type is what a device would store; the numbers are f64.
#[derive(Clone, PartialEq, Debug)]
pub struct Array {
    data: Arc<[f64]>,
    spec: Spec,
}

impl Array {
    /// An array over `data`.
    ///
    /// # Errors
    /// `Shape` if `data` does not have the product of `shape` elements.
    pub fn new(data: Vec<f64>, shape: &[usize], dtype: DType) -> Result<Array> {
        let spec = Spec { shape: shape.to_vec(), dtype };
        if shape.iter().try_fold(1usize, |n, e| n.checked_mul(*e)) != Some(data.len()) {
            let message = format!("Array::new: data has {} elements, expected the product of {shape:?}", data.len());
            return Err(Error::new(ErrorKind::Shape, message));
        }
        Ok(Array { data: data.into(), spec })
    }

    /// The elements.
    pub fn data(&self) -> &[f64] {
        &self.data
    }

    /// Extents, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.spec.shape
    }

    /// A copy of the part that starts `start` elements in.
    ///
    /// # Errors
    /// `Index` if it ends past the end.
    pub fn slice(&self, start: usize, shape: &[usize]) -> Result<Array> {
        let len = shape.iter().try_fold(1usize, |n, e| n.checked_mul(*e));
        match len.and_then(|len| self.data.get(start..start.checked_add(len)?)) {
            Some(part) => Array::new(part.to_vec(), shape, self.spec.dtype),
            None => {
                let (have, of) = (self.data.len(), &self.spec.shape);
                let message = format!("Array::slice: {shape:?} from element {start} ends past the {have} of {of:?}");
                Err(Error::new(ErrorKind::Index, message))
            }
        }
    }

    /// The same elements with other extents.
    ///
    /// # Errors
    /// `Shape` if the products differ.
    pub fn reshape(&self, shape: &[usize]) -> Result<Array> {
        if shape.iter().try_fold(1usize, |n, e| n.checked_mul(*e)) != Some(self.data.len()) {
            let (got, wanted) = (format!("{shape:?}"), format!("the product of {:?}", self.spec.shape));
            return Err(Error::argument(ErrorKind::Shape, "Array::reshape", "shape", got, wanted));
        }
        Ok(Array { data: self.data.clone(), spec: Spec { shape: shape.to_vec(), dtype: self.spec.dtype } })
    }
}

/// A value of either backend.
#[derive(Clone, Debug)]
pub enum Value {
    /// In device memory.
    #[cfg(feature = "gpu")]
    Device(Tensor),
    /// On the host, of the reference backend.
    Host(Array),
}

impl Value {
    /// Extents and element type.
    pub fn spec(&self) -> Spec {
        match self {
            #[cfg(feature = "gpu")]
            Value::Device(tensor) => Spec { shape: tensor.shape().to_vec(), dtype: tensor.dtype() },
            Value::Host(array) => array.spec.clone(),
        }
    }

    /// The same elements with other extents.
    ///
    /// # Errors
    /// `Shape` if the products differ.
    pub fn reshape(&self, shape: &[usize]) -> Result<Value> {
        match self {
            #[cfg(feature = "gpu")]
            Value::Device(tensor) => Ok(Value::Device(tensor.reshape(shape)?)),
            Value::Host(array) => Ok(Value::Host(array.reshape(shape)?)),
        }
    }

    /// A part that starts `start` elements in: the same memory on a device, a copy on the host.
    ///
    /// # Errors
    /// `Index` if it ends past the end; as [`Tensor::slice`](crate::Tensor::slice).
    pub fn slice(&self, start: usize, shape: &[usize]) -> Result<Value> {
        match self {
            #[cfg(feature = "gpu")]
            Value::Device(tensor) => Ok(Value::Device(tensor.slice(start, shape)?)),
            Value::Host(array) => Ok(Value::Host(array.slice(start, shape)?)),
        }
    }

    /// The tensor.
    ///
    /// # Errors
    /// `Foreign` for an array of the reference backend.
    #[cfg(feature = "gpu")]
    pub fn tensor(&self) -> Result<&Tensor> {
        match self {
            Value::Device(tensor) => Ok(tensor),
            Value::Host(_) => Err(foreign("an array of the reference backend", "a tensor")),
        }
    }

    /// The array.
    ///
    /// # Errors
    /// `Foreign` for a tensor of a device.
    pub fn array(&self) -> Result<&Array> {
        match self {
            #[cfg(feature = "gpu")]
            Value::Device(_) => Err(foreign("a tensor", "an array of the reference backend")),
            Value::Host(array) => Ok(array),
        }
    }
}

#[cfg(feature = "gpu")]
fn foreign(got: &str, wanted: &str) -> Error {
    Error::argument(ErrorKind::Foreign, "tape", "value", got, wanted)
}

#[cfg(feature = "gpu")]
impl From<Tensor> for Value {
    fn from(tensor: Tensor) -> Value {
        Value::Device(tensor)
    }
}

#[cfg(feature = "gpu")]
impl From<&Tensor> for Value {
    fn from(tensor: &Tensor) -> Value {
        Value::Device(tensor.clone())
    }
}

impl From<Array> for Value {
    fn from(array: Array) -> Value {
        Value::Host(array)
    }
}

/// Where a tape computes.
pub enum Backend {
    /// Records kernels.
    #[cfg(feature = "gpu")]
    Device(Box<Commands>),
    /// Calls the f64 references.
    Reference,
}

impl Backend {
    /// A value of this backend.
    ///
    /// # Errors
    /// As [`Tape::upload`](super::Tape::upload).
    pub fn upload<T: Copy + Into<f64>>(&mut self, data: &[T], shape: &[usize], dtype: DType) -> Result<Value> {
        match self {
            #[cfg(feature = "gpu")]
            Backend::Device(commands) => {
                let context = commands.context();
                Ok(Value::Device(if dtype == DType::U32 {
                    let data: Vec<u32> = data.iter().map(|v| (*v).into() as u32).collect();
                    Tensor::from_u32(context, &data, shape)?
                } else {
                    let data: Vec<f32> = data.iter().map(|v| (*v).into() as f32).collect();
                    Tensor::from_slice(context, &data, shape, dtype)?
                }))
            }
            Backend::Reference => {
                Ok(Value::Host(Array::new(data.iter().map(|v| (*v).into()).collect(), shape, dtype)?))
            }
        }
    }

    /// The elements of `value`.
    ///
    /// # Errors
    /// `Foreign` for a value of the other backend; whatever reading from the device returns.
    pub fn read(&mut self, value: &Value) -> Result<Vec<f64>> {
        match self {
            #[cfg(feature = "gpu")]
            Backend::Device(commands) => {
                let tensor = value.tensor()?;
                if tensor.dtype() == DType::U32 {
                    Ok(commands.read_u32(tensor)?.into_iter().map(f64::from).collect())
                } else {
                    Ok(commands.read(tensor)?.into_iter().map(f64::from).collect())
                }
            }
            Backend::Reference => Ok(value.array()?.data().to_vec()),
        }
    }

    /// One f32 array of the extents of `into` from parts and the element where each starts: zero where no part lies and
    /// where a part is `None`. A flat arena of gradients is made so; parts must not overlap. On a device `into` is
    /// overwritten and returned; the reference backend returns a new array.
    ///
    /// # Errors
    /// `Index` if a part ends past the end, `DType` if one is not like `into`, `Foreign` for a value of the other backend;
    /// on a device what [`Tensor::slice`](crate::Tensor::slice) and [`Commands::copy_into`](crate::Commands::copy_into)
    /// return.
    pub fn assemble(&mut self, into: &Value, parts: &[(usize, Option<&Value>)]) -> Result<Value> {
        let spec = into.spec();
        let parts = parts.iter().filter_map(|(start, part)| Some((*start, (*part)?)));
        for (start, part) in parts.clone() {
            let part = part.spec();
            if start.checked_add(part.len()).is_none_or(|end| end > spec.len()) {
                let message = format!("assemble: {part} from element {start} ends past the end of {spec}");
                return Err(Error::new(ErrorKind::Index, message));
            }
            if part.dtype != spec.dtype {
                return Err(Error::argument(ErrorKind::DType, "assemble", "a part", part.dtype, spec.dtype));
            }
        }
        match self {
            #[cfg(feature = "gpu")]
            Backend::Device(commands) => {
                let arena = into.tensor()?;
                commands.zero(arena)?;
                for (start, part) in parts {
                    let part = part.tensor()?;
                    commands.copy_into(part, &arena.slice(start, part.shape())?)?;
                }
                Ok(into.clone())
            }
            Backend::Reference => {
                let mut data = vec![0.0; spec.len()];
                for (start, part) in parts {
                    let part = part.array()?.data();
                    data[start..start + part.len()].copy_from_slice(part);
                }
                Ok(Value::Host(Array::new(data, &spec.shape, spec.dtype)?))
            }
        }
    }
}
