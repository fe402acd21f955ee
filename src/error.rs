//! One opaque error: a stable [`ErrorKind`] for code, a message for people.

use std::fmt;

/// The result of every fallible call in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call was refused or failed.
///
/// [`Error::kind`] is for code, the message is for people. Messages read
/// `op: argument is got, expected wanted; what to do`.
#[derive(Clone)]
pub struct Error(Box<Repr>);

#[derive(Clone)]
struct Repr {
    kind: ErrorKind,
    message: String,
}

/// The class of an [`Error`].
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ErrorKind {
    /// Extents of tensors do not agree, or channels do not split into oscillators.
    Shape,
    /// A tensor holds another element type than the op takes.
    DType,
    /// A scalar argument is out of its range.
    Param,
    /// A size or an index does not fit the 32-bit arithmetic of the kernels.
    Index,
    /// A checked context found NaN or infinity in an argument.
    NonFinite,
    /// A checked context found oscillators off the unit sphere.
    NotUnit,
    /// A sparse structure is malformed.
    Csr,
    /// The device cannot bind or dispatch so much.
    Limit,
    /// The device lacks a feature, or was created without it.
    Feature,
    /// A buffer is too small, misaligned or lacks a usage.
    Buffer,
    /// An output shares memory with another argument.
    Aliasing,
    /// A tensor belongs to another context or backend.
    Foreign,
    /// No adapter could be had.
    NoAdapter,
    /// The device is gone; make a new context.
    DeviceLost,
    /// The memory budget or the device's memory is exhausted.
    OutOfMemory,
    /// The device did not finish in time; the context is dead.
    Timeout,
    /// A kernel was rejected, or called against its contract.
    Shader,
    /// A file is malformed.
    File,
    /// An iteration stopped before it converged.
    NotConverged,
}

impl Error {
    /// An error of `kind`, for ops that live outside this crate.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error(Box::new(Repr { kind, message: message.into() }))
    }

    /// The class of this error.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the context that returned this error can be used further.
    pub fn is_recoverable(&self) -> bool {
        !matches!(self.0.kind, ErrorKind::DeviceLost | ErrorKind::Timeout)
    }

    /// `op: argument is got, expected wanted`.
    pub(crate) fn argument(
        kind: ErrorKind,
        op: &str,
        argument: &str,
        got: impl fmt::Display,
        wanted: impl fmt::Display,
    ) -> Error {
        Error::new(kind, format!("{op}: {argument} is {got}, expected {wanted}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({:?})", self.0.kind, self.0.message)
    }
}

impl std::error::Error for Error {}
