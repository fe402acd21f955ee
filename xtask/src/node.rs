//! `cargo xtask node`: second opinions on the kernels, by tools that share no code with wgpu and naga.
//!
//! - Tint, the compiler of Chromium, compiles every text: its uniformity analysis and its limits are stricter.
//! - An interpreter looks for data races in kernels with workgroup memory.
//! - Dawn, the WebGPU of Chromium, runs a set of kernels once on inputs that wgpu gets too.

mod dawn;
mod launches;
mod races;
mod swiftshader;
mod tint;
pub(crate) mod tools;

use std::time::Instant;

use crate::adapter::AdapterArgs;
use crate::failure::{Failure, Result};
use crate::say;

use tools::Tools;

/// Flags of the command.
#[derive(clap::Args, Debug, Default)]
pub struct Args {
    #[command(flatten)]
    pub adapter: AdapterArgs,
}

/// How one of the checks ended.
enum Verdict {
    /// It holds; the text says of how much.
    Pass(String),
    /// It does not.
    Fail(String),
    /// It could not be made, and why.
    Skip(String),
}

/// What every tool prints of its own controls.
#[derive(serde::Deserialize)]
struct Controls {
    results: Vec<serde::de::IgnoredAny>,
    passed: bool,
}

/// Runs the controls of a tool, texts on which it must find what it is there to find.
fn self_test(tools: &Tools, tool: &str, arguments: &[&str]) -> Verdict {
    match tools.run::<Controls>(tool, arguments, &[]) {
        Ok(report) if report.passed => Verdict::Pass(format!("{} controls", report.results.len())),
        Ok(_) => Verdict::Fail("a control went the wrong way".to_owned()),
        Err(why) => Verdict::Fail(why.to_string()),
    }
}

/// Runs the command.
pub fn run(args: &Args) -> Result {
    args.adapter.rerun()?;
    let tools = match Tools::get() {
        Ok(tools) => tools,
        Err(why) => return unavailable(&why),
    };
    say!("Node {}", tools.version());
    let (mut failed, mut skipped) = (0, 0);
    let checks: [(&str, &dyn Fn() -> Verdict); 5] = [
        ("tint self-test", &|| tint::self_test(&tools)),
        ("tint", &|| tint::check(&tools)),
        ("races self-test", &|| races::self_test(&tools)),
        ("races", &|| races::check(&tools)),
        ("dawn", &|| dawn::check(&tools, &args.adapter)),
    ];
    for (name, check) in checks {
        let started = Instant::now();
        let verdict = check();
        let (word, text) = match &verdict {
            Verdict::Pass(text) => ("ok", text),
            Verdict::Fail(text) => {
                failed += 1;
                ("FAILED", text)
            }
            Verdict::Skip(text) => {
                skipped += 1;
                ("skipped", text)
            }
        };
        say!("{name}: {word} ({:.1} s): {text}", started.elapsed().as_secs_f64());
    }
    match (failed, skipped) {
        (0, 0) => Ok(()),
        (0, _) => in_ci(&format!("{skipped} checks with Node were skipped")),
        _ => Err(Failure::check(format!("{failed} checks with Node failed"))),
    }
}

/// A desk may lack Node; what runs on every change may not.
fn unavailable(why: &str) -> Result {
    say!("skipped: {why}; 5 checks need it");
    in_ci(why)
}

fn in_ci(why: &str) -> Result {
    if std::env::var_os("CI").is_some_and(|ci| ci == "true") { Err(Failure::check(why)) } else { Ok(()) }
}
