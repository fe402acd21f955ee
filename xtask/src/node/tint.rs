//! Every text through Tint.

use serde::{Deserialize, Serialize};

use super::Verdict;
use super::tools::Tools;
use crate::output;
use crate::translate::Variant;

/// Validates everything in the front end and runs nothing, so that no driver has a say.
const BACKEND: &str = "--backend=null";

#[derive(Serialize)]
struct Manifest {
    kernels: Vec<Kernel>,
}

#[derive(Serialize)]
struct Kernel {
    name: String,
    code: String,
    features: Vec<&'static str>,
}

#[derive(Deserialize)]
struct Report {
    results: Vec<Outcome>,
}

#[derive(Deserialize)]
struct Outcome {
    name: String,
    ok: Option<bool>,
    messages: Vec<String>,
}

/// The tool must refuse what it is there to refuse.
pub fn self_test(tools: &Tools) -> Verdict {
    super::self_test(tools, "tint.mjs", &[BACKEND, "--self-test"])
}

/// Every text must compile.
pub fn check(tools: &Tools) -> Verdict {
    let kernel = |variant: &Variant| Kernel {
        name: variant.name(),
        code: variant.text(),
        features: if variant.uses_f16() { vec!["shader-f16"] } else { vec![] },
    };
    let (other, variants): (Vec<Variant>, Vec<Variant>) = Variant::all().into_iter().partition(Variant::is_cooperative);
    let manifest = Manifest { kernels: variants.iter().map(kernel).collect() };
    let path = tools.folder().join("tint.json");
    if let Err(why) = output::write_json(&path, &manifest) {
        return Verdict::Fail(why.message().unwrap_or_default().to_owned());
    }
    let report: Report = match tools.run("tint.mjs", &[BACKEND, &path.display().to_string()], &[]) {
        Ok(report) => report,
        Err(why) => return Verdict::Fail(why.to_string()),
    };
    let bad: Vec<String> = report
        .results
        .iter()
        .filter(|r| r.ok != Some(true))
        .map(|r| format!("{}: {}", r.name, r.messages.join("; ")))
        .collect();
    if bad.is_empty() && report.results.len() == manifest.kernels.len() {
        let other: String =
            other.iter().map(|v| format!("\n{}: not WGSL, but an extension of wgpu's", v.name())).collect();
        Verdict::Pass(format!("{} texts compile{other}", report.results.len()))
    } else {
        Verdict::Fail(format!("{} of {} texts do not compile\n{}", bad.len(), manifest.kernels.len(), bad.join("\n")))
    }
}
