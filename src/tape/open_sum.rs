//! The cotangent of a parameter while it is being summed over the calls that use the parameter.

#[cfg(feature = "gpu")]
use std::fmt;

use super::{Backend, Value};
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::error::{Error, ErrorKind};
#[cfg(feature = "gpu")]
use crate::gpu::{Commands, Tensor};

/// How partial sums become a cotangent.
#[cfg(feature = "gpu")]
type Close = Box<dyn Fn(&mut Commands, &Tensor) -> Result<Tensor>>;

/// Partial sums of a cotangent that later calls with the same parameter add to in place; the second stage of the reduction
/// runs once, after the last of them.
#[cfg(feature = "gpu")]
pub struct OpenSum {
    kernel: &'static str,
    partial: Tensor,
    close: Close,
}

#[cfg(feature = "gpu")]
impl fmt::Debug for OpenSum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenSum").field("kernel", &self.kernel).field("partial", &self.partial.shape()).finish()
    }
}

#[cfg(feature = "gpu")]
impl OpenSum {
    /// What `kernel` left in `partial`, from which `close` makes the cotangent.
    pub fn new(
        kernel: &'static str,
        partial: &Tensor,
        close: impl Fn(&mut Commands, &Tensor) -> Result<Tensor> + 'static,
    ) -> OpenSum {
        OpenSum { kernel, partial: partial.clone(), close: Box::new(close) }
    }

    /// The partial sums, if `kernel` left them and they have the extents `shape`.
    pub fn partial(&self, kernel: &'static str, shape: &[usize]) -> Option<&Tensor> {
        Some(&self.partial).filter(|partial| self.kernel == kernel && partial.shape() == shape)
    }

    /// The cotangent.
    ///
    /// # Errors
    /// Whatever [`Commands::dispatch`] returns.
    pub fn close(self, commands: &mut Commands) -> Result<Tensor> {
        (self.close)(commands, &self.partial)
    }

    pub(super) fn settle(self, backend: &mut Backend) -> Result<Value> {
        match backend {
            Backend::Device(commands) => Ok(Value::Device(self.close(commands)?)),
            Backend::Reference => Err(Error::new(ErrorKind::Foreign, "vjp: sums of a device on the reference backend")),
        }
    }
}

/// Without a device nothing is summed in parts.
#[cfg(not(feature = "gpu"))]
#[derive(Debug)]
pub enum OpenSum {}

#[cfg(not(feature = "gpu"))]
impl OpenSum {
    pub(super) fn settle(self, _: &mut Backend) -> Result<Value> {
        match self {}
    }
}
