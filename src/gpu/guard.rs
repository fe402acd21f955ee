//! Guard zones of a poisoned context.

use super::context::Context;
use super::memory::{Guarded, POISON};
use crate::error::Result;

/// Guards read back in one copy.
const BATCH: usize = 512;

impl Context {
    /// Reads back the memory behind every buffer made since the last call and counts the buffers whose guard a kernel
    /// has overwritten.
    pub(crate) fn overwritten_guards(&self) -> Result<usize> {
        let mut overwritten = 0;
        for batch in self.take_guarded().chunks(BATCH) {
            let sizes: Vec<u64> = batch.iter().map(|g| g.slot.bytes - g.data).collect();
            let mut commands = self.commands();
            let bytes = commands
                .begin_copy(sizes.iter().sum(), |encoder, staging| {
                    let mut at = 0;
                    for (Guarded { slot, data }, size) in batch.iter().zip(&sizes) {
                        encoder.copy_buffer_to_buffer(&slot.buffer, *data, staging, at, *size);
                        at += size;
                    }
                })?
                .wait()?;
            let mut rest = bytes.as_slice();
            for size in &sizes {
                let (guard, next) = rest.split_at((*size as usize).min(rest.len()));
                overwritten += usize::from(guard.iter().any(|b| *b != POISON));
                rest = next;
            }
        }
        Ok(overwritten)
    }
}
