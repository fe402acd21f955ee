//! Copies between tensors and clears: commands of the encoder, no kernels.

use super::commands::Commands;
use super::tensor::Tensor;
use crate::error::{Error, ErrorKind, Result};

fn demand(op: &str, tensor: &Tensor, wanted: wgpu::BufferUsages) -> Result<()> {
    let usage = tensor.buffer().usage();
    if usage.contains(wanted) {
        return Ok(());
    }
    let name = if wanted == wgpu::BufferUsages::COPY_SRC { "COPY_SRC" } else { "COPY_DST" };
    Err(Error::argument(ErrorKind::Buffer, op, "buffer's usage", format!("{usage:?}"), format!("{name} among it")))
}

/// Whole words: what lies behind an odd number of f16 may be another tensor's.
fn whole_words(op: &str, dst: &Tensor) -> Result<()> {
    if dst.bytes().is_multiple_of(4) {
        return Ok(());
    }
    let got = format!("{} bytes", dst.bytes());
    Err(Error::argument(ErrorKind::Buffer, op, "dst", got, "a multiple of 4, as the device copies"))
}

impl Commands {
    fn own(&self, op: &str, tensor: &Tensor) -> Result<()> {
        self.context.alive()?;
        if tensor.context().is_same(&self.context) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Foreign, format!("{op}: the tensor belongs to another context")))
    }

    /// Copies `src` into a new tensor.
    ///
    /// # Errors
    /// `Foreign`, `Buffer` if `src` wraps a buffer without `COPY_SRC`, `OutOfMemory`.
    pub fn copy(&mut self, src: &Tensor) -> Result<Tensor> {
        self.own("copy", src)?;
        demand("copy", src, wgpu::BufferUsages::COPY_SRC)?;
        let dst = self.empty(src.shape(), src.dtype())?;
        self.record_copy(src, &dst, src.bytes().next_multiple_of(4));
        Ok(dst)
    }

    /// Copies the elements of `src` over those of `dst`, which may be a slice of a larger tensor: gradients into their
    /// places in an arena.
    ///
    /// # Errors
    /// `Foreign`; `Shape` or `DType` if the two differ; `Aliasing` if they share a buffer; `Buffer` if one wraps a buffer
    /// without `COPY_SRC` or `COPY_DST`, or for an odd number of f16.
    pub fn copy_into(&mut self, src: &Tensor, dst: &Tensor) -> Result<()> {
        self.own("copy_into", src)?;
        self.own("copy_into", dst)?;
        if src.shape() != dst.shape() {
            let (got, wanted) = (format!("{:?}", src.shape()), format!("{:?} as dst", dst.shape()));
            return Err(Error::argument(ErrorKind::Shape, "copy_into", "src", got, wanted));
        }
        if src.dtype() != dst.dtype() {
            let wanted = format!("{} as dst", dst.dtype());
            return Err(Error::argument(ErrorKind::DType, "copy_into", "src", src.dtype(), wanted));
        }
        if src.buffer() == dst.buffer() {
            let message = "copy_into: src and dst share a buffer; copy through a third tensor";
            return Err(Error::new(ErrorKind::Aliasing, message));
        }
        whole_words("copy_into", dst)?;
        demand("copy_into", src, wgpu::BufferUsages::COPY_SRC)?;
        demand("copy_into", dst, wgpu::BufferUsages::COPY_DST)?;
        self.record_copy(src, dst, src.bytes());
        Ok(())
    }

    /// Sets every element of `dst`, which may be a slice of a larger tensor, to zero.
    ///
    /// # Errors
    /// `Foreign`, `Buffer` if `dst` wraps a buffer without `COPY_DST`, or for an odd number of f16.
    pub fn zero(&mut self, dst: &Tensor) -> Result<()> {
        self.own("zero", dst)?;
        whole_words("zero", dst)?;
        demand("zero", dst, wgpu::BufferUsages::COPY_DST)?;
        if !dst.is_empty() {
            self.hold(dst);
            self.encoder().clear_buffer(dst.buffer(), dst.offset(), Some(dst.bytes()));
        }
        Ok(())
    }

    fn record_copy(&mut self, src: &Tensor, dst: &Tensor, bytes: u64) {
        if bytes > 0 {
            self.hold(src);
            self.hold(dst);
            let encoder = self.encoder();
            encoder.copy_buffer_to_buffer(src.buffer(), src.offset(), dst.buffer(), dst.offset(), bytes);
        }
    }
}
