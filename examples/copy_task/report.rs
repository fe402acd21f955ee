//! What was measured, for people and for programs.

use std::error::Error;
use std::fmt::Write;
use std::path::Path;

use kuramoto::Context;
use serde::Serialize;

use crate::task::Task;

/// One trained network.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    pub network: String,
    pub seed: u64,
    pub sigma_w: f32,
    /// Real numbers in the state.
    pub width: usize,
    /// Weights from state to state, without gates.
    pub recurrent: usize,
    /// All that learns.
    pub parameters: usize,
    /// Steps and the loss there.
    pub losses: Vec<(f64, f64)>,
    /// Delays and the share of right symbols there.
    pub delays: Vec<(f64, f64)>,
    pub steps: usize,
    pub seconds: f64,
}

impl Run {
    fn loss(&self) -> f64 {
        // Batches have different delays: the mean of the last ten looks says more than the last.
        let last = &self.losses[self.losses.len().saturating_sub(10)..];
        last.iter().map(|(_, loss)| loss).sum::<f64>() / last.len().max(1) as f64
    }

    /// The share of right symbols at the longest delay up to `delay`.
    fn right(&self, delay: f64) -> f64 {
        self.delays.iter().rfind(|(at, _)| *at <= delay).map_or(f64::NAN, |(_, right)| *right)
    }

    pub fn line(&self) -> String {
        let delays: Vec<String> =
            self.delays.iter().map(|(delay, right)| format!("{:.0} % at {delay}", 100.0 * right)).collect();
        let Run { network, seed, steps, seconds, .. } = self;
        format!(
            "{network}, seed {seed}: loss {:.3}, {} in {steps} steps, {seconds:.0} s",
            self.loss(),
            delays.join(", ")
        )
    }
}

/// Everything.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub adapter: String,
    pub driver: String,
    pub task: Task,
    pub runs: Vec<Run>,
}

impl Report {
    pub fn new(context: &Context, task: Task, runs: Vec<Run>) -> Report {
        let info = context.info();
        let driver = format!("{} {}", info.driver, info.driver_info);
        Report { adapter: info.name.clone(), driver, task, runs }
    }

    pub fn table(&self) -> String {
        let mut table = String::from(
            "\nnetwork                      seed  width  recurrent  all weights    loss  right at T_max\n",
        );
        for run in &self.runs {
            let Run { network, seed, width, recurrent, parameters, .. } = run;
            let (loss, right) = (run.loss(), 100.0 * run.right(self.task.t_max as f64));
            let _ = writeln!(
                table,
                "{network:<28} {seed:>4} {width:>6} {recurrent:>10} {parameters:>12} {loss:>7.3} {right:>13.1} %"
            );
        }
        table
    }

    /// Every loss must be finite. The quick task is so small that each network has to learn it.
    pub fn check(&self, learned: bool) -> Result<(), Box<dyn Error>> {
        for run in &self.runs {
            if !run.losses.iter().all(|(_, loss)| loss.is_finite()) {
                return Err(format!("{}: the loss is not finite", run.line()).into());
            }
            if learned && run.right(self.task.t_max as f64) < 0.9 {
                return Err(format!("{}: it did not learn one symbol of two", run.line()).into());
            }
        }
        Ok(())
    }

    pub fn write_json(&self, path: &Path) -> Result<(), Box<dyn Error>> {
        let text = serde_json::to_string_pretty(self)?;
        std::fs::write(path, text).map_err(|why| format!("{}: {why}", path.display()).into())
    }
}
