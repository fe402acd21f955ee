//! `network --quick`: every command on something small, with what it must come to.

use std::error::Error;
use std::path::Path;

use clap::Parser;

use super::arguments::{Arguments, Command};
use super::{design, run, sweep};

/// Runs the commands into folders of `out`.
///
/// # Errors
/// As the commands; in words where a result is not what theory says.
pub fn run(out: &Path) -> Result<(), Box<dyn Error>> {
    let words = |line: &str, name: &str| -> Result<Command, Box<dyn Error>> {
        let out = out.join(name).display().to_string();
        let line = ["network"].into_iter().chain(line.split(' ')).chain(["--out", &out]);
        Arguments::try_parse_from(line)?.command.ok_or_else(|| "no command".into())
    };
    let number = |name: &str, path: &[&str]| -> Result<f64, Box<dyn Error>> {
        let text = std::fs::read_to_string(out.join(name).join("summary.json"))?;
        let mut value: &serde_json::Value = &serde_json::from_str(&text)?;
        for key in path {
            value = match key.parse::<usize>() {
                Ok(at) => &value[at],
                Err(_) => &value[*key],
            };
        }
        value.as_f64().ok_or_else(|| format!("{name} has no number at {path:?}").into())
    };
    let demand = |what: &str, got: f64, from: f64, to: f64| match (from..=to).contains(&got) {
        true => Ok(()),
        false => Err(format!("{what} is {got}, expected {from} to {to}")),
    };
    if let Command::Run(args) = words("run --make watts-strogatz --nodes 300 --time 20 --frequencies uniform", "run")? {
        run::run(&args)?;
        demand("the order parameter", number("run", &["order_end"])?, 0.95, 1.0)?;
    }
    if let Command::Run(args) = words(
        "run --make ring --nodes 40 --neighbours 4 --order 2 --frequencies uniform --width 0.1 \
        --coupling 4 --together --settle 20 --time 10 --trip 0,1,5",
        "trip",
    )? {
        run::run(&args)?;
        demand("the order parameter of the grid", number("trip", &["order_end"])?, 0.9, 1.0)?;
    }
    if let Command::Sweep(args) = words(
        "sweep --make complete --nodes 1000 --normalise --coupling 1:4:4 --time 30 --every 10 --frequencies lorentz",
        "sweep",
    )? {
        sweep::run(&args)?;
        // K_c is 2; sqrt(1 - 2/4) = 0.707. A draw of 1,000 frequencies is off by a few per cent.
        demand("r at K = 1", number("sweep", &["order", "0", "0"])?, 0.0, 0.2)?;
        demand("r at K = 4", number("sweep", &["order", "3", "0"])?, 0.6, 0.8)?;
    }
    if let Command::Design(args) = words(
        "design --make erdos-renyi --nodes 30 --probability 0.2 --coupling 0.3 --time 5 --rounds 10 --starts 4",
        "design",
    )? {
        design::run(&args)?;
        let [before, after] = [number("design", &["order_before"])?, number("design", &["order_after"])?];
        demand("the order parameter of the design", after, before + 0.01, 1.0)?;
    }
    say!("all is as it should be");
    Ok(())
}
