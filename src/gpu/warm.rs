//! Compiling before the first use.

use super::commands::Commands;
use super::pipeline::Range;
use super::tensor::Tensor;
use crate::error::{Error, ErrorKind, Result};
use crate::kernel::{DType, Kernel};

/// Enough for what a binding's type demands at least.
const WORDS: usize = 64;

impl Commands {
    /// Compiles one kernel and records a dispatch of no workgroup: some drivers compile at the first dispatch only.
    pub(crate) fn warm(
        &mut self,
        kernel: &'static Kernel,
        dtype: DType,
        constants: &[(&'static str, u32)],
    ) -> Result<()> {
        let context = self.context().clone();
        context.alive()?;
        let pipeline = context.pipeline(kernel, dtype, constants)?;
        if self.holdings.arena.is_full() {
            let chunk = context.chunk()?;
            self.holdings.arena.add_chunk(chunk);
        }
        let words = vec![0; kernel.params.len()];
        let uniform_bytes = (words.len() as u64 * 4).next_multiple_of(16).max(16);
        let Some((chunk, offset)) = self.holdings.arena.push(&words) else {
            return Err(Error::new(ErrorKind::Limit, format!("{}: no room for parameters", kernel.name)));
        };
        let mut ranges: Vec<Range> = vec![(chunk.clone(), 0, uniform_bytes)];
        // Held until the end, or the pool would hand the same memory out again.
        let mut tensors = Vec::new();
        for _ in kernel.bindings {
            let tensor = Tensor::empty(&context, kernel.name, &[WORDS], DType::U32, Some(self.holdings.id))?;
            ranges.push((tensor.buffer().clone(), tensor.offset(), tensor.bound_bytes()));
            self.hold(&tensor);
            tensors.push(tensor);
        }
        let group = context.bind_group(&pipeline, ranges, false);
        let encoder = &mut self.encoder;
        let pass = self.pass.get_or_insert_with(|| {
            encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()).forget_lifetime()
        });
        pass.set_pipeline(&pipeline.pipeline);
        pass.set_bind_group(0, &group, &[offset]);
        pass.dispatch_workgroups(0, 0, 0);
        Ok(())
    }
}
