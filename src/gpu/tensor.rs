//! A tensor: a range of a buffer, extents, an element type.

use std::sync::Arc;

use super::context::Context;
use super::memory::GUARD;
use super::pool::{RecordingId, Slot};
use crate::error::{Error, ErrorKind, Result};
use crate::kernel::DType;

/// A contiguous row-major tensor in device memory. Cheap to clone; clones share memory.
///
/// A tensor made by this library returns its buffer to the context's pool when the last handle drops.
#[derive(Clone)]
pub struct Tensor {
    storage: Arc<Storage>,
    offset: u64,
    shape: Arc<[usize]>,
    dtype: DType,
}

struct Storage {
    slot: Arc<Slot>,
    context: Context,
    /// False for a buffer of the host application.
    pooled: bool,
}

impl Drop for Storage {
    fn drop(&mut self) {
        if self.pooled && !self.context.is_poisoned() {
            self.context.0.pool.give_back(self.slot.clone());
        }
    }
}

/// The number of elements, if a kernel can index them all.
pub(crate) fn elements(what: &str, shape: &[usize]) -> Result<usize> {
    shape.iter().try_fold(1usize, |n, extent| n.checked_mul(*extent)).filter(|n| u32::try_from(*n).is_ok()).ok_or_else(
        || {
            let message = format!("{what}: {shape:?} has more elements than 32-bit indices reach ({})", u32::MAX);
            Error::new(ErrorKind::Index, message)
        },
    )
}

impl Tensor {
    /// A tensor with undefined contents that `recording` writes first.
    pub(crate) fn empty(
        context: &Context,
        what: &str,
        shape: &[usize],
        dtype: DType,
        recording: Option<RecordingId>,
    ) -> Result<Tensor> {
        let bytes = elements(what, shape)? as u64 * dtype.size();
        let limit = context.0.limits.max_storage_buffer_binding_size;
        if bytes > limit {
            let message =
                format!("{what}: {shape:?} in {dtype} is {bytes} bytes, the device binds at most {limit}; split it");
            return Err(Error::new(ErrorKind::Limit, message));
        }
        let slot = context.slot(what, bytes, recording)?;
        Ok(Tensor::over(slot, context, true, 0, shape, dtype))
    }

    fn over(slot: Arc<Slot>, context: &Context, pooled: bool, offset: u64, shape: &[usize], dtype: DType) -> Tensor {
        let storage = Arc::new(Storage { slot, context: context.clone(), pooled });
        Tensor { storage, offset, shape: shape.into(), dtype }
    }

    /// Uploads `data`, rounded to nearest even for f16.
    ///
    /// # Errors
    /// `Shape` if `data` does not have the product of `shape` elements, `DType` for `U32` (see
    /// [`Tensor::from_u32`]), `Feature` for f16 on a device without it, `Limit`, `Index`, `OutOfMemory`.
    pub fn from_slice(context: &Context, data: &[f32], shape: &[usize], dtype: DType) -> Result<Tensor> {
        let bytes: Vec<u8> = match dtype {
            DType::F32 => bytemuck::cast_slice(data).to_vec(),
            DType::F16 => data.iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes()).collect(),
            DType::U32 => {
                return Err(Error::argument(ErrorKind::DType, "Tensor::from_slice", "dtype", dtype, "f32 or f16"));
            }
        };
        Tensor::upload(context, "Tensor::from_slice", data.len(), bytes, shape, dtype)
    }

    /// Uploads integers.
    ///
    /// # Errors
    /// As [`Tensor::from_slice`].
    pub fn from_u32(context: &Context, data: &[u32], shape: &[usize]) -> Result<Tensor> {
        let bytes = bytemuck::cast_slice(data).to_vec();
        Tensor::upload(context, "Tensor::from_u32", data.len(), bytes, shape, DType::U32)
    }

    fn upload(
        context: &Context,
        what: &str,
        len: usize,
        mut bytes: Vec<u8>,
        shape: &[usize],
        dtype: DType,
    ) -> Result<Tensor> {
        if elements(what, shape)? != len {
            let message = format!("{what}: data has {len} elements, expected the product of {shape:?}");
            return Err(Error::new(ErrorKind::Shape, message));
        }
        if dtype == DType::F16 && !context.has_f16() {
            return Err(f16_missing(what));
        }
        let tensor = Tensor::empty(context, what, shape, dtype, None)?;
        // Buffer writes are multiples of 4 bytes.
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        context
            .scoped(|| context.0.queue.write_buffer(&tensor.storage.slot.buffer, 0, &bytes))
            .map_err(|e| context.explain(ErrorKind::Buffer, what, e))?;
        Ok(tensor)
    }

    /// A tensor over `buffer` of the host application, `offset` bytes in. The buffer must come from the device of
    /// `context`; wgpu does not let us check that.
    ///
    /// # Errors
    /// `Buffer` if it is too small, lacks `STORAGE`, or `offset` is not a multiple of
    /// `min_storage_buffer_offset_alignment`; `Limit`, `Index`.
    pub fn wrap(
        context: &Context,
        buffer: &wgpu::Buffer,
        offset: u64,
        shape: &[usize],
        dtype: DType,
    ) -> Result<Tensor> {
        let refuse = |argument: &str, got: String, wanted: String| {
            Err(Error::argument(ErrorKind::Buffer, "Tensor::wrap", argument, got, wanted))
        };
        let bytes = elements("Tensor::wrap", shape)? as u64 * dtype.size();
        let limits = &context.0.limits;
        if bytes > limits.max_storage_buffer_binding_size {
            let message = format!(
                "Tensor::wrap: {shape:?} in {dtype} is {bytes} bytes, the device binds at most {}",
                limits.max_storage_buffer_binding_size
            );
            return Err(Error::new(ErrorKind::Limit, message));
        }
        if !buffer.usage().contains(wgpu::BufferUsages::STORAGE) {
            return refuse("buffer's usage", format!("{:?}", buffer.usage()), "STORAGE among it".into());
        }
        let alignment = u64::from(limits.min_storage_buffer_offset_alignment);
        if !offset.is_multiple_of(alignment) {
            return refuse("offset", offset.to_string(), format!("a multiple of {alignment}"));
        }
        let needed = offset.saturating_add(bytes.next_multiple_of(4).max(4));
        if buffer.size() < needed {
            return refuse("buffer", format!("{} bytes", buffer.size()), format!("at least {needed}"));
        }
        Ok(Tensor::over(Arc::new(Slot::new(buffer.clone(), 0)), context, false, offset, shape, dtype))
    }

    /// A part of this tensor that starts `start` elements in; it shares the memory.
    ///
    /// # Errors
    /// `Index` if it ends past this tensor's end, `Buffer` if its first byte is not aligned as the device's
    /// `min_storage_buffer_offset_alignment` demands.
    pub fn slice(&self, start: usize, shape: &[usize]) -> Result<Tensor> {
        let len = elements("Tensor::slice", shape)?;
        if start.checked_add(len).is_none_or(|end| end > self.len()) {
            let message = format!(
                "Tensor::slice: {shape:?} from element {start} ends past the {} elements of {:?}",
                self.len(),
                self.shape
            );
            return Err(Error::new(ErrorKind::Index, message));
        }
        let offset = self.offset + start as u64 * self.dtype.size();
        let alignment = u64::from(self.context().0.limits.min_storage_buffer_offset_alignment);
        if !offset.is_multiple_of(alignment) {
            let wanted = format!("a multiple of {alignment}");
            return Err(Error::argument(ErrorKind::Buffer, "Tensor::slice", "first byte", offset, wanted));
        }
        Ok(Tensor { offset, shape: shape.into(), ..self.clone() })
    }

    /// The same elements with other extents.
    ///
    /// # Errors
    /// `Shape` if the products differ.
    pub fn reshape(&self, shape: &[usize]) -> Result<Tensor> {
        if elements("Tensor::reshape", shape)? != self.len() {
            let got = format!("{shape:?}");
            let wanted = format!("the product of {:?}", self.shape);
            return Err(Error::argument(ErrorKind::Shape, "Tensor::reshape", "shape", got, wanted));
        }
        Ok(Tensor { shape: shape.into(), ..self.clone() })
    }

    /// Extents, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Element type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The buffer, for use by a host that shares the device. Do not write it while a recording of this library that
    /// uses the tensor is unsubmitted.
    pub fn buffer(&self) -> &wgpu::Buffer {
        &self.storage.slot.buffer
    }

    /// Where the tensor starts in [`Tensor::buffer`], in bytes.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The context that the tensor belongs to.
    pub fn context(&self) -> &Context {
        &self.storage.context
    }

    /// Whether both are the same elements of one buffer.
    pub(crate) fn is_same(&self, other: &Tensor) -> bool {
        Arc::ptr_eq(self.slot(), other.slot()) && self.offset() == other.offset() && self.shape() == other.shape()
    }

    pub(crate) fn slot(&self) -> &Arc<Slot> {
        &self.storage.slot
    }

    pub(crate) fn is_pooled(&self) -> bool {
        self.storage.pooled
    }

    /// Bytes of the elements.
    pub(crate) fn bytes(&self) -> u64 {
        self.len() as u64 * self.dtype.size()
    }

    /// Bytes to bind: whole words, and in a poisoned context the guard zone, so that a kernel that leaves its tensor
    /// is seen instead of being stopped by the driver's bounds check.
    pub(crate) fn bound_bytes(&self) -> u64 {
        let words = self.bytes().next_multiple_of(4).max(4);
        if self.context().is_poisoned() && self.is_pooled() {
            (words + GUARD).min(self.storage.slot.bytes - self.offset)
        } else {
            words
        }
    }
}

pub(crate) fn f16_missing(what: &str) -> Error {
    Error::new(
        ErrorKind::Feature,
        format!("{what}: the device was created without SHADER_F16; see Context::required_features"),
    )
}

impl std::fmt::Debug for Tensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tensor({:?}, {})", self.shape, self.dtype)
    }
}
