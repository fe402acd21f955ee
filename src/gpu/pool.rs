//! Buffers that outlive their tensors.
//!
//! A buffer returns here when the last handle to it drops, and is handed out again for the same size. While an
//! unsubmitted recording still refers to it, only that recording may have it back: within one recording the order of
//! commands protects the old contents, a host write or another recording would overtake them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use super::latch::lock;

/// Pooled sizes are multiples of this.
pub(crate) const GRANULE: u64 = 256;

/// Identity of a recording among those of its context.
pub(crate) type RecordingId = u64;

/// One wgpu buffer and the unsubmitted recordings that refer to it.
pub(crate) struct Slot {
    pub(crate) buffer: wgpu::Buffer,
    pub(crate) bytes: u64,
    /// Which allocation of its context made it; 0 for a buffer of the host application.
    order: u64,
    recordings: Mutex<Vec<RecordingId>>,
}

impl Slot {
    pub(crate) fn new(buffer: wgpu::Buffer, order: u64) -> Slot {
        Slot { bytes: buffer.size(), buffer, order, recordings: Mutex::default() }
    }

    /// Marks the slot as referred to by `recording`; false if it was already.
    pub(crate) fn enter(&self, recording: RecordingId) -> bool {
        let mut recordings = lock(&self.recordings);
        let new = !recordings.contains(&recording);
        if new {
            recordings.push(recording);
        }
        new
    }

    pub(crate) fn leave(&self, recording: RecordingId) {
        lock(&self.recordings).retain(|r| *r != recording);
    }

    fn free_for(&self, recording: Option<RecordingId>) -> bool {
        lock(&self.recordings).iter().all(|r| Some(*r) == recording)
    }
}

#[derive(Default)]
struct State {
    /// By size, then by [`Slot::order`].
    free: HashMap<u64, BTreeMap<u64, Arc<Slot>>>,
    allocated_bytes: u64,
    free_bytes: u64,
    allocations: u64,
    peak_live_bytes: u64,
}

/// The free buffers of a context and the count of all.
#[derive(Default)]
pub(crate) struct Pool(Mutex<State>);

/// Figures of a pool at one moment.
#[derive(Clone, Copy, Default)]
pub(crate) struct Usage {
    pub(crate) allocations: u64,
    pub(crate) allocated_bytes: u64,
    pub(crate) live_bytes: u64,
    pub(crate) peak_live_bytes: u64,
}

impl Pool {
    /// A free slot of exactly `bytes` that `recording` may write.
    pub(crate) fn take(&self, bytes: u64, recording: Option<RecordingId>) -> Option<Arc<Slot>> {
        let mut state = lock(&self.0);
        let list = state.free.get_mut(&bytes)?;
        // The oldest one: what a loop is handed then depends on which buffers are free, not on the order in which they
        // were returned, so the second round already finds all bind groups of the first.
        let order = *list.iter().find(|(_, slot)| slot.free_for(recording))?.0;
        let slot = list.remove(&order)?;
        state.free_bytes -= bytes;
        state.note_peak();
        Some(slot)
    }

    pub(crate) fn give_back(&self, slot: Arc<Slot>) {
        let mut state = lock(&self.0);
        state.free_bytes += slot.bytes;
        state.free.entry(slot.bytes).or_default().insert(slot.order, slot);
    }

    /// Counts a buffer about to be created and returns its [`Slot::order`], unless that passes `budget`; returns the
    /// bytes allocated so far then.
    pub(crate) fn reserve(&self, bytes: u64, budget: Option<u64>) -> Result<u64, u64> {
        let mut state = lock(&self.0);
        if budget.is_some_and(|budget| state.allocated_bytes.saturating_add(bytes) > budget) {
            return Err(state.allocated_bytes);
        }
        state.allocated_bytes += bytes;
        state.allocations += 1;
        state.note_peak();
        Ok(state.allocations)
    }

    /// Takes back a reservation whose buffer could not be created.
    pub(crate) fn cancel(&self, bytes: u64) {
        lock(&self.0).allocated_bytes -= bytes;
    }

    /// Frees every buffer that no tensor and no recording uses.
    pub(crate) fn trim(&self) {
        let mut state = lock(&self.0);
        let mut freed = 0;
        for list in state.free.values_mut() {
            list.retain(|_, slot| {
                let keep = !slot.free_for(None);
                freed += if keep { 0 } else { slot.bytes };
                keep
            });
        }
        state.free.retain(|_, list| !list.is_empty());
        state.free_bytes -= freed;
        state.allocated_bytes -= freed;
    }

    pub(crate) fn usage(&self) -> Usage {
        let s = lock(&self.0);
        Usage {
            allocations: s.allocations,
            allocated_bytes: s.allocated_bytes,
            live_bytes: s.allocated_bytes - s.free_bytes,
            peak_live_bytes: s.peak_live_bytes,
        }
    }
}

impl State {
    fn note_peak(&mut self) {
        self.peak_live_bytes = self.peak_live_bytes.max(self.allocated_bytes - self.free_bytes);
    }
}
