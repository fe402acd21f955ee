//! `cargo xtask test`: everything that a change has to pass, in one go. CI runs this and nothing else.
//!
//! Every step is a command that can be typed at a desk; it is printed before it runs.

use std::io::IsTerminal;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::adapter::{self, AdapterArgs};
use crate::driver::{self, Setup};
use crate::failure::{Failure, Result};
use crate::{root, say};

/// Flags of the command.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Also what takes long: the large conformance cases, and a new kernel in a copy of the repository
    #[arg(long)]
    full: bool,
    #[command(flatten)]
    adapter: AdapterArgs,
}

/// One command line.
struct Step {
    program: String,
    arguments: Vec<String>,
    variables: Vec<(&'static str, &'static str)>,
    needs_device: bool,
}

/// A `cargo` command.
fn cargo(line: &str) -> Step {
    let arguments = line.split(' ').map(str::to_owned).collect();
    Step { program: "cargo".into(), arguments, variables: vec![], needs_device: false }
}

impl Step {
    fn on_device(self) -> Step {
        Step { needs_device: true, ..self }
    }

    fn with(mut self, name: &'static str, value: &'static str) -> Step {
        self.variables.push((name, value));
        self
    }

    fn name(&self) -> String {
        let variables: String = self.variables.iter().map(|(name, value)| format!("{name}='{value}' ")).collect();
        format!("{variables}{} {}", self.program, self.arguments.join(" ")).trim_end().to_owned()
    }
}

/// Runs the command.
pub fn run(args: &Args) -> Result {
    let adapter = match driver::set_up(&args.adapter)? {
        Setup::Ready(adapter) => {
            let info = adapter.get_info();
            say!("Adapter: {}, {}", info.name, adapter::driver(&info));
            if let Some((_, version)) = adapter::mesa_version(&info) {
                say!("Mesa {version}");
            }
            Some(info.name)
        }
        Setup::Without(why) if args.adapter.is_none() => {
            say!("No adapter: {why}; steps that need a device are skipped");
            None
        }
        Setup::Without(why) => return Err(Failure::no_adapter(why)),
    };
    let (mut passed, mut failed, mut skipped) = (Vec::new(), Vec::new(), Vec::new());
    for step in steps(args.full, adapter.is_some()) {
        let name = step.name();
        if adapter.is_none() && step.needs_device {
            skipped.push(name);
            continue;
        }
        say!("\n== {name}");
        let started = Instant::now();
        let succeeded = execute(&step, &args.adapter);
        let took = format!("{:>7.1} s  {name}", started.elapsed().as_secs_f64());
        say!("== {}: {}", if succeeded { "passed" } else { "FAILED" }, took.trim_start());
        if succeeded { passed.push(took) } else { failed.push(took) }
    }
    say!("");
    for took in &passed {
        say!("passed  {took}");
    }
    for name in &skipped {
        say!("skipped, since there is no device: {name}");
    }
    for took in &failed {
        say!("FAILED  {took}");
    }
    say!("{} passed, {} failed", passed.len(), failed.len());
    if failed.is_empty() { Ok(()) } else { Err(Failure::silent()) }
}

fn execute(step: &Step, adapter: &AdapterArgs) -> bool {
    let mut command = Command::new(&step.program);
    command.args(&step.arguments).envs(step.variables.iter().copied()).current_dir(root::root());
    // What cargo told us about this package is not about those that the step runs.
    command.env_remove("CARGO_MANIFEST_DIR");
    if let Some(name) = &adapter.adapter {
        command.env("KURAMOTO_ADAPTER", name);
    }
    match command.status() {
        Ok(status) => status.success(),
        Err(why) => {
            say!("{} cannot be run: {why}", step.program);
            false
        }
    }
}

/// All steps: the quick ones that fail often come first. Without a device, the tests that do without come in the place
/// of all.
fn steps(full: bool, device: bool) -> Vec<Step> {
    let root = root::root();
    let exists = |path: &str| root.join(path).exists();
    let mut steps = vec![
        // rustfmt colours its complaints wherever they go.
        cargo(if std::io::stdout().is_terminal() { "fmt --all --check" } else { "fmt --all --check -- --color never" }),
        cargo("clippy --workspace --all-targets -- -D warnings"),
        cargo("clippy --package kuramoto --no-default-features --lib -- -D warnings"),
        cargo("build --package kuramoto --no-default-features"),
        cargo("test --package kuramoto --no-default-features --lib"),
    ];
    if exists("tests/reference.rs") {
        steps.push(cargo("test --package kuramoto --no-default-features --test reference"));
    }
    steps.push(cargo("xtask readme --check"));
    steps.push(cargo("xtask shaders validate"));
    steps.push(cargo("test --workspace --no-fail-fast").on_device());
    // Graphs of other crates.
    steps.push(cargo("test --package kuramoto --features petgraph,sprs --test graph").on_device());
    if !device {
        steps.push(cargo("test --package xtask --no-fail-fast"));
    }
    steps.push(cargo("doc --workspace --no-deps").with("RUSTDOCFLAGS", "-D warnings"));
    let conformance = if full { "xtask conformance --full" } else { "xtask conformance" };
    steps.push(cargo(&format!("{conformance} --json target/conformance.json")).on_device());
    steps.push(cargo("xtask golden tests/golden --reference"));
    steps.push(cargo("xtask golden tests/golden").on_device());
    steps.push(cargo("xtask checklist --json target/checklist.json").on_device());
    steps.push(cargo("xtask tune --quick --cache target/tune.json").on_device());
    // That it runs, not how fast: a few cases of the build at hand.
    let profile = "xtask profile --as-built --seconds 0 --filter scale*";
    steps.push(cargo(&format!("{profile} --roofline target/roofline.svg --trace target/trace.json")).on_device());
    steps.push(cargo("xtask node"));
    // As `cargo test --workspace` has built them: `cargo run` would compile the dependencies again, for the features that
    // the library has without this program. An example in a folder of its own trains for minutes unless told otherwise.
    let example = |name: &str, arguments: &[&str]| Step {
        program: format!("target/debug/examples/{name}"),
        arguments: arguments.iter().map(|argument| argument.to_string()).collect(),
        variables: vec![],
        needs_device: true,
    };
    steps.extend(stems(&root.join("examples")).iter().map(|name| example(name, &[])));
    for name in folders(&root.join("examples")) {
        steps.push(example(&name, &["--quick", "--out", &format!("target/examples/{name}")]));
    }
    steps.push(cargo("xtask demo --size 32 --steps 20 --out target/demo"));
    let benches = root.join("benches");
    for bench in stems(&benches).into_iter().chain(folders(&benches)) {
        // As a test, so that dependencies are not compiled once more with optimisations: what counts here is that it
        // runs, not how fast.
        steps.push(cargo(&format!("test --workspace --bench {bench} -- --quick")).on_device());
    }
    if full {
        steps.push(cargo("xtask new-kernel --self-test").on_device());
    }
    steps
}

/// The names of the Rust files in `folder`, in order.
fn stems(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let rust = entries.filter(|path| path.extension().is_some_and(|e| e == "rs"));
    let mut stems: Vec<String> = rust.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    stems.sort();
    stems
}

/// The names of the folders with a program in `folder`, in order.
fn folders(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let programs = entries.filter(|path| path.join("main.rs").exists());
    let mut names: Vec<String> = programs.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_has_a_name_of_its_own() {
        let mut names: Vec<String> = steps(true, true).iter().map(Step::name).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert!(names.len() == count && count >= 12, "{names:?}");
    }
}
