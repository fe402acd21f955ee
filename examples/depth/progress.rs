//! How far a part has come, for the person who waits.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How often a line is printed where there is no terminal.
const PAUSE: Duration = Duration::from_secs(10);

/// A bar on a terminal; elsewhere a line on standard error now and then.
pub struct Progress {
    what: String,
    done: usize,
    of: usize,
    said: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub fn new(what: &str, of: usize) -> Progress {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(of as u64).with_prefix(what.to_owned());
            match ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {msg} {eta} to go") {
                Ok(style) => bar.with_style(style),
                Err(_) => bar,
            }
        });
        Progress { what: what.to_owned(), done: 0, of, said: Instant::now(), bar }
    }

    /// One more is done.
    pub fn step(&mut self, message: &str) {
        self.done += 1;
        match &self.bar {
            Some(bar) => {
                bar.set_position(self.done as u64);
                bar.set_message(message.to_owned());
            }
            None if self.said.elapsed() >= PAUSE => {
                self.said = Instant::now();
                eprintln!("{}: {} of {}, {message}", self.what, self.done, self.of);
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
