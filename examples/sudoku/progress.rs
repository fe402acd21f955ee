//! How far a command has come, for the person who waits.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How often a line is printed where there is no terminal.
const PAUSE: Duration = Duration::from_secs(10);

/// A bar on a terminal; elsewhere a line on standard error now and then.
pub struct Progress {
    what: String,
    said: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub fn new(what: &str) -> Progress {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0).with_prefix(what.to_owned());
            match ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} samples, {eta} to go") {
                Ok(style) => bar.with_style(style),
                Err(_) => bar,
            }
        });
        Progress { what: what.to_owned(), said: Instant::now(), bar }
    }

    /// `done` samples of `of` are done.
    pub fn at(&mut self, done: usize, of: usize) {
        match &self.bar {
            Some(bar) => {
                bar.set_length(of as u64);
                bar.set_position(done as u64);
            }
            None if self.said.elapsed() >= PAUSE => {
                self.said = Instant::now();
                eprintln!("{}: {done} of {of} samples", self.what);
            }
            None => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
