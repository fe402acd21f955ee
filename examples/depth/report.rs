//! What was measured, for people and for programs, and what must hold of it.

use std::error::Error;
use std::fmt::Write;
use std::path::Path;

use kuramoto::Context;
use serde::Serialize;

/// One point of the curve of order.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    pub network: String,
    pub sigma_w: f64,
    pub c: f64,
    pub spread: f64,
    pub theory: f64,
    pub norm: f64,
}

/// One trained classifier.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    pub network: String,
    pub sigma_w: f64,
    pub seed: u64,
    pub layers: usize,
    pub parameters: usize,
    /// On the pictures that it did not see.
    pub accuracy: f64,
    /// Mean length of a neuron in the last layer after training.
    pub norm: f64,
    /// Steps and the loss there.
    pub losses: Vec<(f64, f64)>,
    pub steps: usize,
    pub seconds: f64,
}

impl Run {
    pub fn line(&self) -> String {
        format!(
            "{}, {} layers, sigma_w {}, seed {}: {:.1} % right, loss {:.3}, mean length {:.3}, {} steps in {:.0} s",
            self.network,
            self.layers,
            self.sigma_w,
            self.seed,
            100.0 * self.accuracy,
            self.losses.last().map_or(f64::NAN, |(_, loss)| *loss),
            self.norm,
            self.steps,
            self.seconds
        )
    }
}

/// Everything.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub adapter: String,
    pub driver: String,
    pub seed: u64,
    pub order: Vec<Measured>,
    pub runs: Vec<Run>,
}

impl Report {
    pub fn new(context: &Context, seed: u64) -> Report {
        let info = context.info();
        let driver = format!("{} {}", info.driver, info.driver_info);
        Report { adapter: info.name.clone(), driver, seed, order: vec![], runs: vec![] }
    }

    pub fn order_table(&self) -> String {
        let mut table = String::from("\nnetwork  sigma_w        c   spread   theory  mean length\n");
        for m in &self.order {
            let Measured { network, sigma_w, c, spread, theory, norm } = m;
            let _ = writeln!(table, "{network:<8} {sigma_w:>7.2} {c:>8.4} {spread:>8.4} {theory:>8.4} {norm:>12.4}");
        }
        table
    }

    pub fn runs_table(&self) -> String {
        let mut table = String::from("\nnetwork       sigma_w  seed  parameters  accuracy\n");
        for run in &self.runs {
            let Run { network, sigma_w, seed, parameters, accuracy, .. } = run;
            let percent = 100.0 * accuracy;
            let _ = writeln!(table, "{network:<13} {sigma_w:>7.2} {seed:>5} {parameters:>11} {percent:>7.1} %");
        }
        table
    }

    /// Fails where order is further from theory than `close` of it, or is there where theory has none. At and just below
    /// the transition order dies slower than any depth here, and just above it fluctuations are as large as order
    /// itself: points between 0.95 and 1.15 are shown and not judged.
    pub fn check(&self, close: f64) -> Result<(), Box<dyn Error>> {
        for m in self.order.iter().filter(|m| m.sigma_w <= 0.95 || m.sigma_w >= 1.15) {
            let off = (m.c - m.theory).abs();
            let allowed = if m.theory == 0.0 { 1e-3 } else { close * m.theory };
            if off > allowed {
                let Measured { network, sigma_w, c, theory, .. } = m;
                return Err(format!("{network} at sigma_w {sigma_w}: c is {c:.4}, theory says {theory:.4}").into());
            }
        }
        match self.runs.iter().find(|run| !run.losses.iter().all(|(_, loss)| loss.is_finite())) {
            Some(run) => Err(format!("{}: the loss is not finite", run.line()).into()),
            None => Ok(()),
        }
    }

    pub fn write_json(&self, path: &Path) -> Result<(), Box<dyn Error>> {
        let text = serde_json::to_string_pretty(self)?;
        std::fs::write(path, text).map_err(|why| format!("{}: {why}", path.display()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(sigma_w: f64, c: f64, theory: f64) -> Report {
        let m = Measured { network: "O(4)".into(), sigma_w, c, spread: 0.0, theory, norm: 0.0 };
        Report { adapter: String::new(), driver: String::new(), seed: 1, order: vec![m], runs: vec![] }
    }

    #[test]
    fn what_is_off_fails() {
        assert!(report(1.5, 0.495, 0.5).check(0.02).is_ok());
        let why = report(1.5, 0.485, 0.5).check(0.02).unwrap_err().to_string();
        assert_eq!(why, "O(4) at sigma_w 1.5: c is 0.4850, theory says 0.5000");
        assert!(report(0.8, 0.002, 0.0).check(0.02).is_err() && report(0.8, 1e-9, 0.0).check(0.02).is_ok());
        // Near the transition nothing is judged.
        assert!(report(1.0, 0.03, 0.0).check(0.02).is_ok());
        let mut lost = report(1.5, 0.5, 0.5);
        let losses = vec![(0.0, 2.3), (10.0, f64::NAN)];
        let network = "U(1)".to_owned();
        let (sigma_w, seed, layers, parameters, steps) = (1.5, 1, 100, 5, 11);
        lost.runs = vec![Run {
            network,
            sigma_w,
            seed,
            layers,
            parameters,
            accuracy: 0.1,
            norm: 0.5,
            losses,
            steps,
            seconds: 1.0,
        }];
        assert!(lost.check(0.02).unwrap_err().to_string().ends_with("the loss is not finite"));
        assert!(lost.runs_table().contains("10.0 %") && lost.order_table().contains("0.5000"));
    }
}
