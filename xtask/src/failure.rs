//! How a command ends when it does not end well: an exit code for scripts, one line for people.

use std::fmt::Display;
use std::process::ExitCode;

use kuramoto::{Error, ErrorKind};

use crate::pictures::PictureError;

/// The result of every command.
pub type Result<T = ()> = std::result::Result<T, Failure>;

/// Why a command did not succeed.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    message: Option<String>,
}

impl Failure {
    /// A check failed (exit code 1).
    pub fn check(message: impl Display) -> Failure {
        Failure { code: 1, message: Some(message.to_string()) }
    }

    /// The input is not one that the command takes (exit code 2).
    pub fn usage(message: impl Display) -> Failure {
        Failure { code: 2, message: Some(message.to_string()) }
    }

    /// There is no adapter, or not the one asked for (exit code 3).
    pub fn no_adapter(message: impl Display) -> Failure {
        Failure { code: 3, message: Some(message.to_string()) }
    }

    /// A child process did the work and has said what there is to say; this one ends as it did.
    pub fn child(status: std::process::ExitStatus) -> Failure {
        Failure { code: status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1), message: None }
    }

    /// A check failed, and the output has said which.
    pub fn silent() -> Failure {
        Failure { code: 1, message: None }
    }

    /// What to tell a person; nothing if that has been done.
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// The process's exit code.
    pub fn code(&self) -> ExitCode {
        self.code.into()
    }

    /// Whether the input is to blame.
    pub fn is_usage(&self) -> bool {
        self.code == 2
    }

    /// The same with the file or the thing that it is about in front.
    pub fn about(self, what: impl Display) -> Failure {
        Failure { message: self.message.map(|m| format!("{what}: {m}")), ..self }
    }
}

/// The library refuses what the device cannot hold or the model does not define: that is the user's input.
impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        match error.kind() {
            ErrorKind::Shape
            | ErrorKind::DType
            | ErrorKind::Param
            | ErrorKind::Index
            | ErrorKind::Limit
            | ErrorKind::File
            | ErrorKind::OutOfMemory => Failure::usage(error),
            ErrorKind::NoAdapter => Failure::no_adapter(error),
            _ => Failure::check(error),
        }
    }
}

impl From<PictureError> for Failure {
    fn from(error: PictureError) -> Failure {
        Failure::usage(error)
    }
}
