//! Data races in kernels with workgroup memory.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Verdict;
use super::launches::{self, Launch};
use super::tools::Tools;
use crate::output;

#[derive(Serialize)]
struct Manifest {
    kernels: Vec<Kernel>,
}

#[derive(Serialize)]
struct Kernel {
    name: String,
    code: String,
    workgroups: [u32; 3],
    bindings: BTreeMap<usize, Binding>,
}

#[derive(Serialize)]
struct Binding {
    kind: &'static str,
    data: Vec<u32>,
}

#[derive(Deserialize)]
struct Report {
    results: Vec<Outcome>,
}

#[derive(Deserialize)]
struct Outcome {
    name: String,
    races: usize,
    errors: usize,
    messages: Vec<String>,
}

/// The tool must see the races that its controls have.
pub fn self_test(tools: &Tools) -> Verdict {
    super::self_test(tools, "races.mjs", &["--self-test"])
}

/// No kernel with workgroup memory may race. What the interpreter cannot follow is said, not failed.
pub fn check(tools: &Tools) -> Verdict {
    let launches = match launches::all() {
        Ok(launches) => launches,
        Err(why) => return Verdict::Fail(why),
    };
    let shared: Vec<&Launch> = launches.iter().filter(|l| l.has_workgroup_memory()).collect();
    let mut unknown: Vec<String> = kuramoto::ops::kernels()
        .into_iter()
        .filter(|k| k.source.text().contains("var<workgroup>") && !shared.iter().any(|l| l.kernel.name == k.name))
        .map(|k| format!("{}: not analysed: no launch in xtask/src/node/launches.rs", k.name))
        .collect();
    // The interpreter has one array in var<private> for all invocations, and overflows its stack over a tile of registers.
    let (private, shared): (Vec<&Launch>, Vec<&Launch>) =
        shared.into_iter().partition(|l| l.kernel.source.text().contains("var<private>"));
    unknown.extend(private.iter().map(|l| format!("{}: not analysed: arrays in var<private>", l.kernel.name)));
    let manifest = Manifest { kernels: shared.iter().map(|l| kernel(l)).collect() };
    let path = tools.folder().join("races.json");
    if let Err(why) = output::write_json(&path, &manifest) {
        return Verdict::Fail(why.message().unwrap_or_default().to_owned());
    }
    let report: Report = match tools.run("races.mjs", &[&path.display().to_string()], &[]) {
        Ok(report) => report,
        Err(why) => return Verdict::Fail(why.to_string()),
    };
    let (mut clean, mut racy) = (0, Vec::new());
    for r in report.results {
        match (r.races, r.errors) {
            (0, 0) => clean += 1,
            (0, _) => unknown.push(format!("{}: not analysed: {}", r.name, r.messages.join("; "))),
            _ => racy.push(format!("{}: {} races: {}", r.name, r.races, r.messages.join("; "))),
        }
    }
    let mut text = format!("{clean} kernels without races, {} with, {} not analysed", racy.len(), unknown.len());
    for line in racy.iter().chain(&unknown) {
        text.push('\n');
        text.push_str(line);
    }
    if racy.is_empty() { Verdict::Pass(text) } else { Verdict::Fail(text) }
}

fn kernel(launch: &Launch) -> Kernel {
    let mut bindings = BTreeMap::new();
    let mut words = launch.params.clone();
    words.resize(words.len().next_multiple_of(4), 0);
    bindings.insert(0, Binding { kind: "u32", data: words });
    for (i, buffer) in launch.buffers.iter().enumerate() {
        // The interpreter starts outputs from zero; what they hold is not looked at.
        let data = if buffer.written { vec![0; buffer.words.len()] } else { buffer.words.clone() };
        bindings.insert(i + 1, Binding { kind: "u32", data });
    }
    Kernel { name: launch.name(), code: launch.text(), workgroups: [launch.groups, 1, 1], bindings }
}
