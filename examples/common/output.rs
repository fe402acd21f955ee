//! Standard output for programs whose reader may leave (`| head`), where `println!` panics.
#![allow(dead_code, unused_macros)] // Each program uses its part.

use std::fmt;
use std::io::Write;

/// Writes `text` as it is; without a reader there is nothing left to do, and the program ends as other tools do.
pub fn text(text: fmt::Arguments) {
    if write(text).is_err() {
        std::process::exit(0);
    }
}

/// Writes a line if somebody reads: for training, which goes on either way.
pub fn note(line: fmt::Arguments) {
    let _ = write(format_args!("{line}\n"));
}

fn write(text: fmt::Arguments) -> std::io::Result<()> {
    if cfg!(test) {
        // The test harness keeps what `print!` prints to itself.
        print!("{text}");
        return Ok(());
    }
    let mut out = std::io::stdout().lock();
    out.write_fmt(text)?;
    out.flush()
}

/// [`text()`] and the end of a line, with the arguments of `println!`.
macro_rules! say {
    ($($arg:tt)*) => { $crate::output::text(format_args!("{}\n", format_args!($($arg)*))) };
}

/// [`note()`] with the arguments of `println!`.
macro_rules! note {
    ($($arg:tt)*) => { $crate::output::note(format_args!($($arg)*)) };
}
