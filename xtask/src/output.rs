//! What goes to standard output and to files.

use std::fmt;
use std::io::Write;
use std::path::Path;

use serde::Serialize;

use crate::failure::{Failure, Result};

/// Writes one line to standard output. Unlike `println!` it does not panic where the reader has gone (`| head`); the
/// command then ends, as other tools do.
pub fn line(text: fmt::Arguments) {
    let mut out = std::io::stdout().lock();
    if writeln!(out, "{text}").and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

/// [`line()`](crate::output::line) with the arguments of `println!`.
#[macro_export]
macro_rules! say {
    ($($arg:tt)*) => { $crate::output::line(format_args!($($arg)*)) };
}

/// Writes `text` to `path`, making its folder; `-` is standard output.
pub fn write_text(path: &Path, text: &str) -> Result {
    if path == Path::new("-") {
        line(format_args!("{}", text.trim_end()));
        return Ok(());
    }
    write_file(path, text.as_bytes())
}

/// Writes `bytes` to `path`, making its folder.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result {
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        make_folder(folder)?;
    }
    std::fs::write(path, bytes).map_err(|why| cannot("written", path, &why))
}

/// Makes `folder` and what leads to it.
pub fn make_folder(folder: &Path) -> Result {
    std::fs::create_dir_all(folder).map_err(|why| cannot("made", folder, &why))
}

/// Reads a text file.
pub fn read_text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|why| cannot("read", path, &why))
}

fn cannot(done: &str, path: &Path, why: &std::io::Error) -> Failure {
    Failure::usage(format!("{}: cannot be {done} ({why})", path.display()))
}

/// Writes `value` as JSON to `path`; `-` is standard output.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result {
    let text = serde_json::to_string_pretty(value).map_err(|why| Failure::check(format!("JSON: {why}")))?;
    write_text(path, &format!("{text}\n"))
}
