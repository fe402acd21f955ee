//! Copies from the device to the host.
//!
//! Every readback carries a canary: a number written to the device for this one copy. A lost device answers reads as
//! if they had worked; the missing canary tells.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Poll, Waker};

use super::context::Context;
use super::latch::lock;
use crate::error::{Error, ErrorKind, Result};
use crate::kernel::DType;

/// Bytes of the canary behind the data.
pub(crate) const CANARY: u64 = 8;

#[derive(Default)]
struct Progress {
    result: Option<Result<(), wgpu::BufferAsyncError>>,
    waker: Option<Waker>,
}

/// A submitted copy whose bytes have not arrived yet.
pub(crate) struct Pending {
    context: Context,
    staging: wgpu::Buffer,
    bytes: u64,
    canary: [u8; CANARY as usize],
    number: wgpu::SubmissionIndex,
    progress: Arc<(Mutex<Progress>, Condvar)>,
}

impl Context {
    /// A host-readable buffer of at least `bytes` plus the canary.
    pub(crate) fn staging(&self, bytes: u64) -> Result<wgpu::Buffer> {
        let size = (bytes + CANARY).next_power_of_two().max(1024);
        let mut free = lock(&self.0.staging);
        if let Some(at) = free.iter().position(|b| b.size() == size) {
            return Ok(free.swap_remove(at));
        }
        drop(free);
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        self.create_buffer(
            "read",
            &wgpu::BufferDescriptor { label: Some("staging"), size, usage, mapped_at_creation: false },
        )
    }
}

impl Pending {
    /// Asks for the mapping of `staging`, whose copy is submitted.
    pub(crate) fn new(
        context: &Context,
        staging: wgpu::Buffer,
        bytes: u64,
        canary: [u8; CANARY as usize],
        number: wgpu::SubmissionIndex,
    ) -> Pending {
        let progress = Arc::new((Mutex::new(Progress::default()), Condvar::new()));
        let shared = progress.clone();
        staging.map_async(wgpu::MapMode::Read, .., move |result| {
            let mut progress = lock(&shared.0);
            progress.result = Some(result);
            shared.1.notify_all();
            if let Some(waker) = progress.waker.take() {
                waker.wake();
            }
        });
        Pending { context: context.clone(), staging, bytes, canary, number, progress }
    }

    /// Waits until the device has run this copy, whatever was submitted after it, and returns the bytes.
    pub(crate) fn wait(self) -> Result<Vec<u8>> {
        self.context.wait_for(self.number.clone())?;
        // The device is done, but another thread that polls it may be the one to run our callback, and not be there yet.
        let (progress, answered) = &*self.progress;
        let result = answered
            .wait_timeout_while(lock(progress), self.context.timeout(), |progress| progress.result.is_none())
            .unwrap_or_else(PoisonError::into_inner)
            .0
            .result
            .take();
        match result {
            Some(result) => self.bytes(result),
            None => Err(Error::new(ErrorKind::DeviceLost, "read: the device finished without answering the copy")),
        }
    }

    fn bytes(&self, result: Result<(), wgpu::BufferAsyncError>) -> Result<Vec<u8>> {
        self.context.alive()?;
        let lost = |why: String| {
            self.context.0.latch.set(ErrorKind::DeviceLost, why);
            self.context.alive()
        };
        if let Err(e) = result {
            lost(format!("read: the copy could not be mapped ({e})"))?;
        }
        let whole = {
            let view = match self.staging.get_mapped_range(..) {
                Ok(view) => view,
                Err(e) => {
                    lost(format!("read: the copy could not be mapped ({e})"))?;
                    return Ok(vec![]);
                }
            };
            view.get(..(self.bytes + CANARY) as usize).map(<[u8]>::to_vec).unwrap_or_default()
        };
        self.staging.unmap();
        let (data, canary) = whole.split_at(whole.len().saturating_sub(CANARY as usize));
        if canary != self.canary {
            lost("read: the device did not run the copy; it is lost".into())?;
        }
        lock(&self.context.0.staging).push(self.staging.clone());
        Ok(data.to_vec())
    }
}

/// The data of a tensor, once the device has computed it. Awaiting it polls the device without blocking; it wakes
/// itself, so any executor drives it.
pub struct Read {
    pub(crate) pending: Option<Pending>,
    pub(crate) dtype: DType,
    pub(crate) len: usize,
}

impl Read {
    /// Blocks until the elements have arrived. What was submitted after the read goes on running.
    ///
    /// # Errors
    /// `Timeout` past [`Context::set_timeout`], `DeviceLost`; `Param` if the elements were awaited before.
    pub fn wait(self) -> Result<Vec<f32>> {
        match self.pending {
            Some(pending) => Ok(widen(&pending.wait()?, self.dtype, self.len)),
            None => Err(Error::new(ErrorKind::Param, "read_async: waited for after it was ready")),
        }
    }
}

impl Future for Read {
    type Output = Result<Vec<f32>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Self::Output> {
        let Some(pending) = &self.pending else {
            return Poll::Ready(Err(Error::new(ErrorKind::Param, "read_async: polled after it was ready")));
        };
        if let Err(e) = pending.context.poll_once() {
            return Poll::Ready(Err(e));
        }
        let mut progress = lock(&pending.progress.0);
        match progress.result.take() {
            None => {
                progress.waker = Some(cx.waker().clone());
                drop(progress);
                // Native wgpu runs callbacks only while somebody polls the device; a browser wakes us itself.
                #[cfg(not(target_arch = "wasm32"))]
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(result) => {
                drop(progress);
                let bytes = pending.bytes(result);
                self.pending = None;
                Poll::Ready(bytes.map(|bytes| widen(&bytes, self.dtype, self.len)))
            }
        }
    }
}

/// Elements as f32; integers by value.
pub(crate) fn widen(bytes: &[u8], dtype: DType, len: usize) -> Vec<f32> {
    match dtype {
        DType::F32 => words(bytes).map(f32::from_bits).take(len).collect(),
        DType::U32 => words(bytes).map(|w| w as f32).take(len).collect(),
        DType::F16 => {
            bytes.chunks_exact(2).map(|b| half::f16::from_le_bytes([b[0], b[1]]).to_f32()).take(len).collect()
        }
    }
}

pub(crate) fn words(bytes: &[u8]) -> impl Iterator<Item = u32> + '_ {
    bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
}
