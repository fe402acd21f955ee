//! How a context makes buffers: error scopes, the budget, the pool, and poison for conformance.

use std::sync::Arc;

use super::arena::Arena;
use super::context::Context;
use super::latch::lock;
use super::pool::{GRANULE, RecordingId, Slot};
use crate::error::{Error, ErrorKind, Result};

/// A buffer of a poisoned context and how many of its bytes are data.
pub(crate) struct Guarded {
    pub(crate) slot: Arc<Slot>,
    pub(crate) data: u64,
}

/// Bytes behind every tensor of a poisoned context that no kernel may touch.
pub(crate) const GUARD: u64 = 256;

/// What poisoned memory holds: NaN as f32 and as f16, and no index.
pub(crate) const POISON: u8 = 0xFF;

impl Context {
    /// Creates a buffer inside error scopes, counted against the budget.
    pub(crate) fn create_buffer(&self, what: &str, descriptor: &wgpu::BufferDescriptor) -> Result<wgpu::Buffer> {
        self.alive()?;
        let (bytes, limit) = (descriptor.size, self.0.limits.max_buffer_size);
        if bytes > limit {
            let message = format!("{what}: a buffer of {bytes} bytes exceeds max_buffer_size = {limit}");
            return Err(Error::new(ErrorKind::Limit, message));
        }
        self.scoped(|| self.0.device.create_buffer(descriptor)).map_err(|e| self.explain(ErrorKind::Buffer, what, e))
    }

    /// A buffer for `bytes` of data that `recording` (or, for `None`, the host) may write at once.
    pub(crate) fn slot(&self, what: &str, bytes: u64, recording: Option<RecordingId>) -> Result<Arc<Slot>> {
        self.alive()?;
        let guard = if self.is_poisoned() { GUARD } else { 0 };
        let size =
            bytes.checked_add(guard + GRANULE).map(|b| (b - 1) / GRANULE * GRANULE).unwrap_or(u64::MAX).max(GRANULE);
        if !self.is_poisoned() {
            if let Some(slot) = self.0.pool.take(size, recording) {
                return Ok(slot);
            }
        }
        let budget = *lock(&self.0.budget);
        let reserved = self.0.pool.reserve(size, budget).or_else(|_| {
            self.trim();
            self.0.pool.reserve(size, budget)
        });
        let order = reserved.map_err(|in_use| {
            let budget = budget.unwrap_or(u64::MAX);
            Error::new(
                ErrorKind::OutOfMemory,
                format!("{what}: {size} bytes requested with {in_use} in use exceed the budget of {budget}"),
            )
        })?;
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let descriptor = wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false };
        match self.create_buffer(what, &descriptor) {
            Ok(buffer) => {
                let slot = Arc::new(Slot::new(buffer, order));
                if let Some(guarded) = &self.0.guarded {
                    self.0.queue.write_buffer(&slot.buffer, 0, &vec![POISON; size as usize]);
                    lock(guarded).push(Guarded { slot: slot.clone(), data: bytes.next_multiple_of(4) });
                }
                Ok(slot)
            }
            Err(error) => {
                self.0.pool.cancel(size);
                Err(error)
            }
        }
    }

    pub(crate) fn chunk(&self) -> Result<wgpu::Buffer> {
        match self.0.chunks.take() {
            Some(chunk) => Ok(chunk),
            None => self.create_buffer("params", &Arena::descriptor()),
        }
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        self.0.guarded.is_some()
    }

    /// The buffers of a poisoned context made since the last call.
    pub(crate) fn take_guarded(&self) -> Vec<Guarded> {
        self.0.guarded.as_ref().map(|g| std::mem::take(&mut *lock(g))).unwrap_or_default()
    }
}
