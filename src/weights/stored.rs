//! One tensor as a file holds it.

use std::fmt;

use half::{bf16, f16};

use super::header;
use crate::error::{Error, ErrorKind, Result};

/// Element type in a file, in the order of increasing size, in which the format sorts tensors.
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum StoredType {
    /// A byte, 0 or 1.
    Bool,
    /// 8-bit unsigned integer.
    U8,
    /// 8-bit signed integer.
    I8,
    /// 16-bit signed integer.
    I16,
    /// 16-bit unsigned integer.
    U16,
    /// 16-bit float.
    F16,
    /// The upper half of a 32-bit float.
    BF16,
    /// 32-bit signed integer.
    I32,
    /// 32-bit unsigned integer.
    U32,
    /// 32-bit float.
    F32,
    /// 64-bit float.
    F64,
    /// 64-bit signed integer.
    I64,
    /// 64-bit unsigned integer.
    U64,
}

use StoredType::*;

const NAMES: [(StoredType, &str); 13] = [
    (Bool, "BOOL"),
    (U8, "U8"),
    (I8, "I8"),
    (I16, "I16"),
    (U16, "U16"),
    (F16, "F16"),
    (BF16, "BF16"),
    (I32, "I32"),
    (U32, "U32"),
    (F32, "F32"),
    (F64, "F64"),
    (I64, "I64"),
    (U64, "U64"),
];

impl StoredType {
    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            Bool | U8 | I8 => 1,
            I16 | U16 | F16 | BF16 => 2,
            I32 | U32 | F32 => 4,
            F64 | I64 | U64 => 8,
        }
    }

    /// Whether elements are floating-point numbers.
    pub fn is_float(self) -> bool {
        matches!(self, F16 | BF16 | F32 | F64)
    }

    pub(super) fn parse(word: &str) -> Option<StoredType> {
        NAMES.iter().find(|(_, name)| *name == word).map(|(dtype, _)| *dtype)
    }
}

impl fmt::Display for StoredType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAMES.iter().find(|(dtype, _)| dtype == self).map_or("", |(_, name)| *name))
    }
}

/// A row-major tensor as it is stored: the bytes are those of the file, so that what nobody uses is written back unchanged.
#[derive(Clone, PartialEq, Debug)]
pub struct Stored {
    dtype: StoredType,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Stored {
    /// A tensor over little-endian `bytes`.
    ///
    /// # Errors
    /// `Shape` if there are not as many as `dtype` and `shape` say.
    pub fn from_bytes(dtype: StoredType, bytes: Vec<u8>, shape: &[usize]) -> Result<Stored> {
        if header::bytes(dtype, shape) != Some(bytes.len()) {
            let wanted = format!("those of {dtype} {shape:?}");
            return Err(Error::argument(ErrorKind::Shape, "weights", "number of bytes", bytes.len(), wanted));
        }
        Ok(Stored { dtype, shape: shape.to_vec(), bytes })
    }

    /// An F32 tensor.
    ///
    /// # Errors
    /// `Shape` if `data` does not have the product of `shape` elements.
    pub fn from_f32(data: &[f32], shape: &[usize]) -> Result<Stored> {
        Stored::from_bytes(F32, data.iter().flat_map(|v| v.to_le_bytes()).collect(), shape)
    }

    /// An F64 tensor.
    ///
    /// # Errors
    /// `Shape` if `data` does not have the product of `shape` elements.
    pub fn from_f64(data: &[f64], shape: &[usize]) -> Result<Stored> {
        Stored::from_bytes(F64, data.iter().flat_map(|v| v.to_le_bytes()).collect(), shape)
    }

    /// An I64 tensor, as PyTorch counts with.
    ///
    /// # Errors
    /// `Shape` if `data` does not have the product of `shape` elements.
    pub fn from_i64(data: &[i64], shape: &[usize]) -> Result<Stored> {
        Stored::from_bytes(I64, data.iter().flat_map(|v| v.to_le_bytes()).collect(), shape)
    }

    /// An I32 tensor.
    ///
    /// # Errors
    /// `Shape` if `data` does not have the product of `shape` elements.
    pub fn from_i32(data: &[i32], shape: &[usize]) -> Result<Stored> {
        Stored::from_bytes(I32, data.iter().flat_map(|v| v.to_le_bytes()).collect(), shape)
    }

    /// Element type.
    pub fn dtype(&self) -> StoredType {
        self.dtype
    }

    /// Extents, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.bytes.len() / self.dtype.size()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The elements, little-endian.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The elements of a floating-point tensor: F16 and BF16 widened, F64 rounded.
    ///
    /// # Errors
    /// `DType` for integers, `Param` if a finite F64 is beyond the range of f32.
    pub fn to_f32(&self) -> Result<Vec<f32>> {
        match self.dtype {
            F16 => Ok(self.elements(|b: [u8; 2]| f16::from_le_bytes(b).to_f32())),
            BF16 => Ok(self.elements(|b: [u8; 2]| bf16::from_le_bytes(b).to_f32())),
            F32 => Ok(self.elements(f32::from_le_bytes)),
            F64 => {
                let wide = self.elements(f64::from_le_bytes);
                let narrow: Vec<f32> = wide.iter().map(|v| *v as f32).collect();
                in_range(&wide, &narrow, F32)?;
                Ok(narrow)
            }
            _ => Err(self.is_not("floats: F16, BF16, F32 or F64")),
        }
    }

    /// The elements of a floating-point tensor without rounding.
    ///
    /// # Errors
    /// `DType` for integers.
    pub fn to_f64(&self) -> Result<Vec<f64>> {
        match self.dtype {
            F64 => Ok(self.elements(f64::from_le_bytes)),
            _ => Ok(self.to_f32()?.into_iter().map(f64::from).collect()),
        }
    }

    /// The elements of a tensor of integers.
    ///
    /// # Errors
    /// `DType` for floats, `Param` if a U64 is beyond the range of i64.
    pub fn to_i64(&self) -> Result<Vec<i64>> {
        match self.dtype {
            Bool | U8 => Ok(self.elements(|[b]: [u8; 1]| i64::from(b))),
            I8 => Ok(self.elements(|b| i64::from(i8::from_le_bytes(b)))),
            I16 => Ok(self.elements(|b| i64::from(i16::from_le_bytes(b)))),
            U16 => Ok(self.elements(|b| i64::from(u16::from_le_bytes(b)))),
            I32 => Ok(self.elements(|b| i64::from(i32::from_le_bytes(b)))),
            U32 => Ok(self.elements(|b| i64::from(u32::from_le_bytes(b)))),
            I64 => Ok(self.elements(i64::from_le_bytes)),
            U64 => {
                let narrow = |v: u64| {
                    i64::try_from(v)
                        .map_err(|_| Error::argument(ErrorKind::Param, "weights", "element", v, "at most 2^63 - 1"))
                };
                self.elements(u64::from_le_bytes).into_iter().map(narrow).collect()
            }
            _ => Err(self.is_not("integers")),
        }
    }

    /// The same numbers stored as F32, F16 or BF16, rounded to nearest.
    ///
    /// # Errors
    /// `DType` for integers and for other types, `Param` if a finite number is beyond the range of `dtype`.
    pub fn cast(&self, dtype: StoredType) -> Result<Stored> {
        if dtype == self.dtype && dtype.is_float() {
            return Ok(self.clone());
        }
        let wide = self.to_f32()?;
        let (bytes, narrow): (Vec<u8>, Vec<f32>) = match dtype {
            F32 => return Stored::from_f32(&wide, &self.shape),
            F16 => {
                let rounded: Vec<f16> = wide.iter().map(|v| f16::from_f32(*v)).collect();
                (rounded.iter().flat_map(|v| v.to_le_bytes()).collect(), rounded.iter().map(|v| v.to_f32()).collect())
            }
            BF16 => {
                let rounded: Vec<bf16> = wide.iter().map(|v| bf16::from_f32(*v)).collect();
                (rounded.iter().flat_map(|v| v.to_le_bytes()).collect(), rounded.iter().map(|v| v.to_f32()).collect())
            }
            _ => return Err(Error::argument(ErrorKind::DType, "weights", "stored type", dtype, "F32, F16 or BF16")),
        };
        in_range(&wide, &narrow, dtype)?;
        Stored::from_bytes(dtype, bytes, &self.shape)
    }

    fn elements<const N: usize, T>(&self, element: impl Fn([u8; N]) -> T) -> Vec<T> {
        let whole = self.bytes.chunks_exact(N).map(|chunk| {
            let mut bytes = [0; N];
            bytes.copy_from_slice(chunk);
            element(bytes)
        });
        whole.collect()
    }

    fn is_not(&self, wanted: &str) -> Error {
        Error::argument(ErrorKind::DType, "weights", "stored type", self.dtype, wanted)
    }
}

/// A weight that overflows would turn into an infinity that nobody wrote.
fn in_range<T: Copy + Into<f64>>(wide: &[T], narrow: &[f32], dtype: StoredType) -> Result<()> {
    let lost = wide.iter().zip(narrow).find(|(w, n)| (**w).into().is_finite() && !n.is_finite());
    match lost {
        None => Ok(()),
        Some((w, _)) => {
            let wanted = format!("within the range of {dtype}");
            Err(Error::argument(ErrorKind::Param, "weights", "element", (*w).into(), wanted))
        }
    }
}
