//! Parameters of a recording: one uniform buffer per 256 dispatches, a 256-byte slot each.
//!
//! The words are staged on the host while recording and written once before the submission. A chunk belongs to its
//! recording until that is submitted, so recordings may be submitted in any order.

use std::sync::Mutex;

use super::latch::lock;

const SLOT: u64 = 256;
const SLOTS: u64 = 256;

/// Free chunks of a context.
#[derive(Default)]
pub(crate) struct Chunks(Mutex<Vec<wgpu::Buffer>>);

impl Chunks {
    pub(crate) fn take(&self) -> Option<wgpu::Buffer> {
        lock(&self.0).pop()
    }

    pub(crate) fn give_back(&self, chunks: impl IntoIterator<Item = wgpu::Buffer>) {
        // In reverse, so that the next recording takes them in the same order and finds its bind groups cached.
        let mut chunks: Vec<_> = chunks.into_iter().collect();
        chunks.reverse();
        lock(&self.0).extend(chunks);
    }
}

/// The chunks of one recording.
#[derive(Default)]
pub(crate) struct Arena {
    chunks: Vec<wgpu::Buffer>,
    staged: Vec<u8>,
}

impl Arena {
    /// Whether the next [`Arena::push`] needs a chunk from [`Arena::add_chunk`] first.
    pub(crate) fn is_full(&self) -> bool {
        self.staged.len() as u64 == self.chunks.len() as u64 * SLOT * SLOTS
    }

    pub(crate) fn add_chunk(&mut self, chunk: wgpu::Buffer) {
        self.chunks.push(chunk);
    }

    pub(crate) fn descriptor() -> wgpu::BufferDescriptor<'static> {
        wgpu::BufferDescriptor {
            label: Some("params"),
            size: SLOT * SLOTS,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        }
    }

    /// Stages `words` and returns the chunk they go to and their offset in it.
    pub(crate) fn push(&mut self, words: &[u32]) -> Option<(&wgpu::Buffer, u32)> {
        let at = self.staged.len() as u64;
        let chunk = self.chunks.get((at / (SLOT * SLOTS)) as usize)?;
        self.staged.extend(words.iter().flat_map(|w| w.to_le_bytes()));
        self.staged.resize((at + SLOT) as usize, 0);
        Some((chunk, (at % (SLOT * SLOTS)) as u32))
    }

    /// Writes what is staged; the chunks stay owned until [`Arena::release`].
    pub(crate) fn flush(&mut self, queue: &wgpu::Queue) {
        for (chunk, bytes) in self.chunks.iter().zip(self.staged.chunks((SLOT * SLOTS) as usize)) {
            queue.write_buffer(chunk, 0, bytes);
        }
        self.staged.clear();
    }

    pub(crate) fn release(&mut self) -> Vec<wgpu::Buffer> {
        std::mem::take(&mut self.chunks)
    }
}
