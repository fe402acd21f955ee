//! How far a command has come, for the person who waits.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Nothing is said of work that is done sooner.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often a plain line is printed where there is no terminal.
const PAUSE: Duration = Duration::from_secs(10);

/// A bar on a terminal; now and then a plain line on standard error where there is none (a log has no use for bars).
pub struct Progress {
    what: String,
    total: usize,
    started: Instant,
    said: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Work of `total` parts.
    pub fn new(what: impl Into<String>, total: usize) -> Progress {
        let what = what.into();
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total as u64);
            if let Ok(style) = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {msg} {elapsed}") {
                bar.set_style(style);
            }
            bar.set_prefix(what.clone());
            bar
        });
        let now = Instant::now();
        Progress { what, total, started: now, said: now, bar }
    }

    /// `done` parts are done; `label` is what comes next.
    pub fn at(&mut self, done: usize, total: usize, label: &str) {
        self.total = total;
        if let Some(bar) = &self.bar {
            bar.set_length(total as u64);
            bar.set_position(done as u64);
            bar.set_message(label.to_owned());
        } else if self.is_due() {
            self.said = Instant::now();
            let space = if label.is_empty() { "" } else { ", " };
            eprintln!("{}: {done} of {}{space}{label}", self.what, self.total);
        }
    }

    /// A plain line is due after [`PATIENCE`], then every [`PAUSE`].
    fn is_due(&self) -> bool {
        let first = self.said <= self.started;
        if first { self.started.elapsed() >= PATIENCE } else { self.said.elapsed() >= PAUSE }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
