//! What was measured: a table for people, JSON for programs.

use std::fmt;
use std::io;
use std::path::Path;

use serde::Serialize;

use crate::calibration::Calibration;

/// One trained network.
#[derive(Clone, Debug, Serialize)]
pub struct Variant {
    /// With or without natural frequencies.
    pub name: String,
    pub parameters: usize,
    pub steps: usize,
    pub train_seconds: f64,
    pub evaluate_seconds: f64,
    /// The mean loss of the last steps that were read.
    pub last_loss: f64,
    /// The common frequency of each layer after training; empty without.
    pub frequencies: Vec<f64>,
    /// Right answers, from 0 to 1, by condition, in the order of the table.
    pub accuracies: Vec<Accuracy>,
    /// Of the clean pictures.
    pub calibration: Calibration,
}

/// Right answers under one condition.
#[derive(Clone, Debug, Serialize)]
pub struct Accuracy {
    pub condition: String,
    pub accuracy: f64,
}

/// A whole run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub data: String,
    pub adapter: String,
    pub seed: u64,
    pub train_pictures: usize,
    pub test_pictures: usize,
    pub variants: Vec<Variant>,
}

impl Report {
    /// Writes JSON to `path`.
    pub fn write_json(&self, path: &Path) -> io::Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(io::Error::other)?;
        std::fs::write(path, text + "\n")
    }
}

/// A row for each measure, a column for each network.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = format!("{}, {} test pictures", self.data, self.test_pictures);
        let names: Vec<&str> = self.variants.iter().map(|v| v.name.as_str()).collect();
        row(f, &head, &names)?;
        let count = self.variants.iter().map(|v| v.accuracies.len()).max().unwrap_or(0);
        for at in 0..count {
            let entry = |v: &Variant| v.accuracies.get(at).map(|a| percent(a.accuracy)).unwrap_or_default();
            let condition = self.variants.iter().find_map(|v| Some(v.accuracies.get(at)?.condition.as_str()));
            row(f, condition.unwrap_or(""), &self.each(entry))?;
        }
        row(f, "calibration error (15 bins)", &self.each(|v| percent(v.calibration.ece)))?;
        let frequencies = |v: &Variant| v.frequencies.iter().map(|w| format!("{w:.3}")).collect::<Vec<_>>().join(" ");
        row(
            f,
            "natural frequency by layer",
            &self.each(|v| if v.frequencies.is_empty() { "-".into() } else { frequencies(v) }),
        )?;
        row(f, "parameters", &self.each(|v| v.parameters.to_string()))?;
        row(f, "training", &self.each(|v| format!("{:.0} s", v.train_seconds)))?;
        row(f, "evaluation", &self.each(|v| format!("{:.0} s", v.evaluate_seconds)))
    }
}

impl Report {
    fn each(&self, entry: impl Fn(&Variant) -> String) -> Vec<String> {
        self.variants.iter().map(entry).collect()
    }
}

fn row(f: &mut fmt::Formatter<'_>, head: &str, entries: &[impl AsRef<str>]) -> fmt::Result {
    write!(f, "{head:<40}")?;
    for entry in entries {
        write!(f, "{:>22}", entry.as_ref())?;
    }
    writeln!(f)
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let variant = |name: &str, frequencies: Vec<f64>| Variant {
            name: name.into(),
            parameters: 1234,
            steps: 10,
            train_seconds: 61.4,
            evaluate_seconds: 20.6,
            last_loss: 0.25,
            frequencies,
            accuracies: vec![Accuracy { condition: "clean".into(), accuracy: 0.955 }],
            calibration: Calibration::new([(0.9, true), (0.9, false)]),
        };
        Report {
            data: "digits".into(),
            adapter: "a".into(),
            seed: 1,
            train_pictures: 2,
            test_pictures: 3,
            variants: vec![variant("with", vec![0.5, 1.25]), variant("without", vec![])],
        }
    }

    #[test]
    fn the_table_has_a_column_for_each_network() {
        let table = report().to_string();
        let line =
            |start: &str| table.lines().find(|l| l.starts_with(start)).unwrap().split_whitespace().collect::<Vec<_>>();
        assert_eq!(line("clean")[1..], ["95.5", "%", "95.5", "%"]);
        assert_eq!(line("calibration")[4..], ["40.0", "%", "40.0", "%"]);
        assert_eq!(line("natural")[4..], ["0.500", "1.250", "-"]);
        let width = |l: &str| l.chars().count();
        assert!(table.lines().all(|l| width(l) == width(table.lines().next().unwrap())), "{table}");
    }

    #[test]
    fn the_json_can_be_read_back() {
        let path = std::env::temp_dir().join(format!("report-{}.json", std::process::id()));
        report().write_json(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["variants"][1]["accuracies"][0]["accuracy"], 0.955);
        assert_eq!(value["variants"][0]["calibration"]["bins"][13]["count"], 2);
        std::fs::remove_file(path).unwrap();
    }
}
