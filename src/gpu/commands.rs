//! A recording of dispatches, and the one function that all kernels go through.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::arena::Arena;
use super::context::Context;
use super::pipeline::Range;
use super::pool::{RecordingId, Slot};
use super::profile::Timing;
use super::readback::{CANARY, Pending, Read, widen, words};
use super::tensor::{Tensor, f16_missing};
use crate::error::{Error, ErrorKind, Result};
use crate::kernel::{Access, DType, Kernel, Params, WORKGROUP};

/// A tensor and how a dispatch uses it.
#[derive(Clone, Copy)]
pub struct Bind<'a> {
    pub(super) tensor: &'a Tensor,
    pub(super) access: Access,
}

/// The kernel reads `tensor`.
pub fn read(tensor: &Tensor) -> Bind<'_> {
    Bind { tensor, access: Access::Read }
}

/// The kernel writes `tensor`.
pub fn write(tensor: &Tensor) -> Bind<'_> {
    Bind { tensor, access: Access::Write }
}

/// The kernel updates `tensor` in place.
pub fn update(tensor: &Tensor) -> Bind<'_> {
    Bind { tensor, access: Access::Update }
}

/// How much a dispatch runs.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    pub(super) groups: u64,
    pub(super) rounds: u64,
    flops: u64,
}

impl Work {
    /// At least `n` invocations, in workgroups of [`WORKGROUP`].
    pub fn invocations(n: usize) -> Work {
        Work { groups: (n as u64).div_ceil(WORKGROUP.into()), rounds: 0, flops: 0 }
    }

    /// Exactly `n` workgroups.
    pub fn workgroups(n: usize) -> Work {
        Work { groups: n as u64, rounds: 0, flops: 0 }
    }

    /// States how many loop rounds one invocation makes, all its loops together, where that grows with a tensor's
    /// extents. Mesa's software driver before 25 silently ends every loop of an invocation after 65535 rounds.
    pub fn rounds(self, rounds: usize) -> Work {
        Work { rounds: rounds as u64, ..self }
    }

    /// States the floating-point operations of the dispatch, for [`Context::profile`].
    pub fn flops(self, flops: usize) -> Work {
        Work { flops: flops as u64, ..self }
    }
}

/// A recording of dispatches on one encoder. Nothing runs before [`Commands::submit`] or a read; for a host's encoder
/// (see [`Commands::from_encoder`]) nothing runs before the host submits it.
#[must_use = "recorded dispatches run only when submitted"]
pub struct Commands {
    pub(super) context: Context,
    // Declared before the encoder: an open pass ends before its encoder goes.
    pub(super) pass: Option<wgpu::ComputePass<'static>>,
    pub(super) encoder: wgpu::CommandEncoder,
    pub(super) holdings: Holdings,
    foreign: bool,
    timing: Option<Timing>,
}

/// What a recording keeps from being reused until it is submitted.
pub(super) struct Holdings {
    context: Context,
    pub(super) id: RecordingId,
    pub(super) arena: Arena,
    slots: Vec<Arc<Slot>>,
}

impl Holdings {
    fn release(&mut self) {
        for slot in self.slots.drain(..) {
            slot.leave(self.id);
        }
        self.context.0.chunks.give_back(self.arena.release());
    }
}

impl Drop for Holdings {
    fn drop(&mut self) {
        self.release();
    }
}

impl Commands {
    pub(crate) fn new(context: &Context) -> Commands {
        let encoder = new_encoder(context);
        Commands::over(context, encoder, false, None)
    }

    pub(crate) fn timed(context: &Context, timing: Timing) -> Commands {
        Commands::over(context, new_encoder(context), false, Some(timing))
    }

    /// Records into `encoder`, which the host got from its device and will submit itself after
    /// [`Commands::into_encoder`]. Several such recordings may be submitted in any order.
    pub fn from_encoder(context: &Context, encoder: wgpu::CommandEncoder) -> Commands {
        Commands::over(context, encoder, true, None)
    }

    fn over(context: &Context, encoder: wgpu::CommandEncoder, foreign: bool, timing: Option<Timing>) -> Commands {
        let holdings = Holdings {
            context: context.clone(),
            id: context.next_recording(),
            arena: Arena::default(),
            slots: Vec::new(),
        };
        Commands { context: context.clone(), pass: None, encoder, holdings, foreign, timing }
    }

    /// Ends the recording and gives the encoder back to the host. What the recording uses stays reserved until the
    /// device has run the command buffer, or until the encoder is dropped.
    pub fn into_encoder(mut self) -> wgpu::CommandEncoder {
        self.pass = None;
        self.holdings.arena.flush(&self.context.0.queue);
        let holdings = self.holdings;
        self.encoder.on_submitted_work_done(move || drop(holdings));
        self.encoder
    }

    /// The context of this recording.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// A tensor with undefined contents, for a kernel of this recording to write.
    ///
    /// # Errors
    /// `Feature` for f16 on a device without it, `Limit`, `Index`, `OutOfMemory`.
    pub fn empty(&mut self, shape: &[usize], dtype: DType) -> Result<Tensor> {
        if dtype == DType::F16 && !self.context.has_f16() {
            return Err(f16_missing("Commands::empty"));
        }
        Tensor::empty(&self.context, "Commands::empty", shape, dtype, Some(self.holdings.id))
    }

    /// Records one kernel: `params` at binding 0, then `binds` in order, as the kernel's contract says.
    ///
    /// The grid is folded into two dimensions past the device's limit; `shaders/lib/grid.wgsl` unfolds it. No work
    /// records nothing.
    ///
    /// # Errors
    /// `Shader` if the call is not what the contract says or the kernel does not compile, `Foreign` for a tensor of
    /// another context, `DType`, `Aliasing` if an output shares memory with another binding, `Feature`, `Limit`,
    /// `Buffer`, `DeviceLost`.
    pub fn dispatch<P: Params>(
        &mut self,
        kernel: &'static Kernel,
        dtype: DType,
        constants: &[(&'static str, u32)],
        params: &P,
        binds: &[Bind<'_>],
        work: Work,
    ) -> Result<()> {
        self.context.alive()?;
        self.check(kernel, dtype, P::FIELDS, binds)?;
        let (columns, rows) = self.grid(kernel, work)?;
        if work.groups == 0 {
            return Ok(());
        }
        let pipeline = self.context.pipeline(kernel, dtype, constants)?;
        if self.holdings.arena.is_full() {
            let chunk = self.context.chunk()?;
            self.holdings.arena.add_chunk(chunk);
        }
        let words = params.words();
        let uniform_bytes = (words.len() as u64 * 4).next_multiple_of(16).max(16);
        let Some((chunk, offset)) = self.holdings.arena.push(&words) else {
            return Err(Error::new(ErrorKind::Limit, format!("{}: no room for parameters", kernel.name)));
        };
        let mut ranges: Vec<Range> = vec![(chunk.clone(), 0, uniform_bytes)];
        let mut keep = true;
        let mut bytes = 0;
        for bind in binds {
            let slot = bind.tensor.slot();
            ranges.push((slot.buffer.clone(), bind.tensor.offset(), bind.tensor.bound_bytes()));
            let passes = if bind.access == Access::Update { 2 } else { 1 };
            bytes += passes * bind.tensor.bytes();
            keep &= bind.tensor.is_pooled();
            if slot.enter(self.holdings.id) {
                self.holdings.slots.push(slot.clone());
            }
        }
        let group = self.context.bind_group(&pipeline, ranges, keep);
        let writes = match &mut self.timing {
            Some(timing) => {
                self.pass = None;
                Some(timing.writes(&self.context, kernel.name, dtype, bytes, work.flops)?)
            }
            None => None,
        };
        let encoder = &mut self.encoder;
        let pass = self.pass.get_or_insert_with(|| {
            let timestamp_writes = writes.as_ref().map(|w| w.passes());
            encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes }).forget_lifetime()
        });
        pass.set_pipeline(&pipeline.pipeline);
        pass.set_bind_group(0, &group, &[offset]);
        pass.dispatch_workgroups(columns, rows, 1);
        self.context.0.dispatches.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Submits what is recorded and begins anew. A recording of a host's encoder is the host's to submit.
    ///
    /// # Errors
    /// `Foreign` for a host's encoder, `DeviceLost`, `OutOfMemory`.
    pub fn submit(&mut self) -> Result<()> {
        self.submit_numbered().map(|_| ())
    }

    /// As [`Commands::submit`], with the number that the device may be asked to reach.
    fn submit_numbered(&mut self) -> Result<wgpu::SubmissionIndex> {
        self.context.alive()?;
        if self.foreign {
            let message = "submit: this recording belongs to the host's encoder; call into_encoder and submit that";
            return Err(Error::new(ErrorKind::Foreign, message));
        }
        self.pass = None;
        let context = &self.context;
        let fresh = new_encoder(context);
        let encoder = std::mem::replace(&mut self.encoder, fresh);
        let arena = &mut self.holdings.arena;
        let result = context.scoped(|| {
            arena.flush(&context.0.queue);
            context.0.queue.submit([encoder.finish()])
        });
        context.0.submissions.fetch_add(1, Ordering::Relaxed);
        self.holdings.release();
        let number = result.map_err(|e| context.explain(ErrorKind::Shader, "submit", e))?;
        // Runs the callbacks that are due, a loss among them.
        context.poll_once()?;
        Ok(number)
    }

    /// Submits what is recorded, waits, and returns `tensor`'s elements, f16 widened.
    ///
    /// # Errors
    /// `Foreign` for a tensor of another context or a recording of a host's encoder, `Timeout`, `DeviceLost`.
    pub fn read(&mut self, tensor: &Tensor) -> Result<Vec<f32>> {
        let bytes = self.begin_read(tensor)?.wait()?;
        Ok(widen(&bytes, tensor.dtype(), tensor.len()))
    }

    /// As [`Commands::read`], for integers; floats are returned as their bits.
    ///
    /// # Errors
    /// As [`Commands::read`], and `DType` for f16.
    pub fn read_u32(&mut self, tensor: &Tensor) -> Result<Vec<u32>> {
        if tensor.dtype() == DType::F16 {
            return Err(Error::argument(ErrorKind::DType, "read_u32", "tensor", tensor.dtype(), "u32 or f32"));
        }
        Ok(words(&self.begin_read(tensor)?.wait()?).take(tensor.len()).collect())
    }

    /// As [`Commands::read`] without blocking: submits what is recorded now, the elements arrive when awaited.
    ///
    /// # Errors
    /// As [`Commands::read`].
    pub fn read_async(&mut self, tensor: &Tensor) -> Result<Read> {
        let pending = self.begin_read(tensor)?;
        Ok(Read { pending: Some(pending), dtype: tensor.dtype(), len: tensor.len() })
    }

    /// As [`Commands::read_async`] for many tensors with one readback: their elements arrive one after the other.
    ///
    /// # Errors
    /// As [`Commands::read`], and `DType` for anything but f32.
    pub fn read_all_async(&mut self, tensors: &[&Tensor]) -> Result<Read> {
        if let Some(other) = tensors.iter().find(|tensor| tensor.dtype() != DType::F32) {
            return Err(Error::argument(ErrorKind::DType, "read_all_async", "a tensor", other.dtype(), "f32"));
        }
        let pending = self.begin_read_all(tensors)?;
        let len = tensors.iter().map(|tensor| tensor.len()).sum();
        Ok(Read { pending: Some(pending), dtype: DType::F32, len })
    }

    fn begin_read(&mut self, tensor: &Tensor) -> Result<Pending> {
        self.begin_read_all(&[tensor])
    }

    fn begin_read_all(&mut self, tensors: &[&Tensor]) -> Result<Pending> {
        for tensor in tensors {
            if !tensor.context().is_same(&self.context) {
                return Err(Error::new(ErrorKind::Foreign, "read: the tensor belongs to another context"));
            }
            if !tensor.buffer().usage().contains(wgpu::BufferUsages::COPY_SRC) {
                let usage = format!("{:?}", tensor.buffer().usage());
                return Err(Error::argument(ErrorKind::Buffer, "read", "buffer's usage", usage, "COPY_SRC among it"));
            }
        }
        let sizes = tensors.iter().map(|tensor| tensor.bytes().next_multiple_of(4));
        self.begin_copy(sizes.clone().sum(), |encoder, staging| {
            let mut at = 0;
            for (tensor, bytes) in tensors.iter().zip(sizes).filter(|(_, bytes)| *bytes > 0) {
                encoder.copy_buffer_to_buffer(tensor.buffer(), tensor.offset(), staging, at, bytes);
                at += bytes;
            }
        })
    }

    /// Records copies of `bytes` into a staging buffer, submits, and asks for the mapping.
    pub(crate) fn begin_copy(
        &mut self,
        bytes: u64,
        copy: impl FnOnce(&mut wgpu::CommandEncoder, &wgpu::Buffer),
    ) -> Result<Pending> {
        if self.foreign {
            let message = "read: this recording belongs to the host's encoder; call into_encoder and submit that first";
            return Err(Error::new(ErrorKind::Foreign, message));
        }
        let context = self.context.clone();
        context.0.readbacks.fetch_add(1, Ordering::Relaxed);
        let staging = context.staging(bytes)?;
        // Any number that no earlier copy left behind serves; recordings count up and are never zero here.
        let canary = (context.next_recording() + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes();
        let carrier = Tensor::empty(&context, "read", &[2], DType::U32, None)?;
        context.0.queue.write_buffer(carrier.buffer(), 0, &canary);
        self.pass = None;
        copy(&mut self.encoder, &staging);
        self.encoder.copy_buffer_to_buffer(carrier.buffer(), 0, &staging, bytes, CANARY);
        let number = self.submit_numbered()?;
        Ok(Pending::new(&context, staging, bytes, canary, number))
    }

    /// The encoder with no pass open, for copies.
    pub(crate) fn encoder(&mut self) -> &mut wgpu::CommandEncoder {
        self.pass = None;
        &mut self.encoder
    }

    /// Keeps the memory of `tensor` from being reused before this recording is submitted.
    pub(super) fn hold(&mut self, tensor: &Tensor) {
        if tensor.slot().enter(self.holdings.id) {
            self.holdings.slots.push(tensor.slot().clone());
        }
    }

    pub(crate) fn take_timing(&mut self) -> Option<Timing> {
        self.timing.take()
    }
}

fn new_encoder(context: &Context) -> wgpu::CommandEncoder {
    context.0.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("kuramoto") })
}
