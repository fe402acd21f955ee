//! How far a command has come, for the person who waits.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How often a line is printed where there is no terminal.
const PAUSE: Duration = Duration::from_secs(10);

/// A bar on a terminal; elsewhere a line on standard error now and then.
pub struct Progress {
    unit: &'static str,
    said: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub fn new(unit: &'static str) -> Progress {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0).with_prefix(unit);
            match ProgressStyle::with_template("{wide_bar} {pos}/{len} {prefix}, {eta} to go") {
                Ok(style) => bar.with_style(style),
                Err(_) => bar,
            }
        });
        Progress { unit, said: Instant::now(), bar }
    }

    /// `done` of `of` are done.
    pub fn at(&mut self, done: usize, of: usize) {
        match &self.bar {
            Some(bar) => {
                bar.set_length(of as u64);
                bar.set_position(done as u64);
            }
            None if self.said.elapsed() >= PAUSE => {
                self.said = Instant::now();
                eprintln!("{done} of {of} {}", self.unit);
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
