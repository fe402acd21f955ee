//! `cargo xtask doctor`: what this machine can run.

use std::path::PathBuf;
use std::process::Command;

use kuramoto::wgpu::{self, Features};
use kuramoto::{Context, wgpu::AdapterInfo};
use serde::Serialize;

use crate::adapter::{self, AdapterArgs};
use crate::driver::{self, Setup};
use crate::failure::{Failure, Result};
use crate::{output, root, say};

/// Flags of the command.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    adapter: AdapterArgs,
    /// Write what was found as JSON to FILE, `-` for standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Serialize)]
struct Report {
    adapters: Vec<Adapter>,
    chosen: Option<String>,
    without: Option<String>,
    advice: Vec<String>,
    node: Option<String>,
    tint: String,
}

#[derive(Serialize)]
struct Adapter {
    name: String,
    kind: &'static str,
    backend: String,
    driver: String,
    mesa: Option<String>,
    chosen: bool,
    f16: bool,
    timestamps: bool,
    subgroups: Option<[u32; 2]>,
    limits: Limits,
    runs: Vec<&'static str>,
}

/// The limits that bound what a kernel of the library can do.
#[derive(Serialize)]
struct Limits {
    max_storage_buffer_binding_size: u64,
    max_buffer_size: u64,
    max_storage_buffers_per_shader_stage: u32,
    max_compute_workgroups_per_dimension: u32,
    max_compute_invocations_per_workgroup: u32,
    max_compute_workgroup_storage_size: u32,
}

/// Runs the command.
pub fn run(args: &Args) -> Result {
    let set_up = driver::set_up(&args.adapter)?;
    let report = report(&set_up)?;
    if args.json.as_deref() != Some(std::path::Path::new("-")) {
        print(&report);
    }
    if let Some(path) = &args.json {
        output::write_json(path, &report)?;
    }
    match &report.without {
        None => Ok(()),
        Some(_) => Err(Failure::no_adapter("no adapter: the demo runs on the f64 reference, checks of devices do not")),
    }
}

fn report(set_up: &Setup) -> Result<Report> {
    let (chosen, without) = match set_up {
        Setup::Ready(adapter) => (Some(adapter.get_info()), None),
        Setup::Without(why) => (None, Some(why.clone())),
    };
    let adapters = Context::adapters().iter().map(|a| describe(a, chosen.as_ref())).collect();
    if let Setup::Ready(adapter) = set_up {
        // Only a device that was really made says that the adapter can be used.
        Context::from_adapter(adapter)?;
    }
    Ok(Report {
        adapters,
        advice: chosen.as_ref().and_then(slow_driver).into_iter().collect(),
        chosen: chosen.map(|info| info.name),
        without,
        node: node_version(),
        tint: tint(),
    })
}

fn describe(adapter: &wgpu::Adapter, chosen: Option<&AdapterInfo>) -> Adapter {
    let (info, features, limits) = (adapter.get_info(), adapter.features(), adapter.limits());
    let f16 = features.contains(Features::SHADER_F16);
    let timestamps = features.contains(Features::TIMESTAMP_QUERY);
    let mut runs = vec!["f32"];
    runs.extend(f16.then_some("f16"));
    runs.extend(timestamps.then_some("profile"));
    Adapter {
        kind: adapter::kind(info.device_type),
        backend: info.backend.to_string(),
        driver: adapter::driver(&info),
        mesa: adapter::mesa_version(&info).map(|(_, version)| version),
        chosen: chosen == Some(&info),
        f16,
        timestamps,
        subgroups: features.contains(Features::SUBGROUP).then_some([info.subgroup_min_size, info.subgroup_max_size]),
        limits: Limits {
            max_storage_buffer_binding_size: limits.max_storage_buffer_binding_size,
            max_buffer_size: limits.max_buffer_size,
            max_storage_buffers_per_shader_stage: limits.max_storage_buffers_per_shader_stage,
            max_compute_workgroups_per_dimension: limits.max_compute_workgroups_per_dimension,
            max_compute_invocations_per_workgroup: limits.max_compute_invocations_per_workgroup,
            max_compute_workgroup_storage_size: limits.max_compute_workgroup_storage_size,
        },
        runs,
        name: info.name,
    }
}

/// Mesa's driver for processors became several times faster with version 24.
fn slow_driver(info: &AdapterInfo) -> Option<String> {
    let (major, version) = adapter::mesa_version(info)?;
    (adapter::is_lavapipe(info) && major < 24).then(|| {
        format!(
            "lavapipe of Mesa {version} is slow: on 2 cores a plain 512 x 512 x 512 matrix product ran at 2.0 GFLOP/s \
             with Mesa 22.3.6 and at 8.6 with 25.0.7. Debian 13 and Ubuntu 24.04 have a newer one; on Debian 12 enable \
             bookworm-backports and run `apt-get install -t bookworm-backports mesa-vulkan-drivers`."
        )
    })
}

fn node_version() -> Option<String> {
    let output = Command::new("node").arg("--version").output().ok().filter(|o| o.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The second compiler of WGSL comes as a package of Node.
fn tint() -> String {
    let package = root::target().join("node/node_modules/webgpu/package.json");
    let version = std::fs::read_to_string(package)
        .ok()
        .and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok())
        .and_then(|package| Some(package.get("version")?.as_str()?.to_owned()));
    match (node_version(), version) {
        (None, _) => "not available: Node is missing".to_owned(),
        (Some(_), Some(version)) => format!("installed (webgpu {version})"),
        (Some(_), None) => "not installed yet; `cargo xtask node` fetches it".to_owned(),
    }
}

fn print(report: &Report) {
    for a in &report.adapters {
        say!("{}{}", a.name, if a.chosen { "   <- chosen" } else { "" });
        say!("  kind       {}, {}", a.kind, a.backend);
        say!("  driver     {}", a.driver);
        let subgroups = match a.subgroups {
            Some([low, high]) if low == high => format!("of {low}"),
            Some([low, high]) => format!("of {low} to {high}"),
            None => "no".to_owned(),
        };
        let yes = |has: bool| if has { "yes" } else { "no" };
        say!("  features   f16 {}, timestamps {}, subgroups {subgroups}", yes(a.f16), yes(a.timestamps));
        let l = &a.limits;
        say!(
            "  limits     binding {} MiB, buffer {} MiB, {} storage buffers, {} workgroups a dimension, {} invocations \
             and {} KiB a workgroup",
            l.max_storage_buffer_binding_size >> 20,
            l.max_buffer_size >> 20,
            l.max_storage_buffers_per_shader_stage,
            l.max_compute_workgroups_per_dimension,
            l.max_compute_invocations_per_workgroup,
            l.max_compute_workgroup_storage_size >> 10
        );
        say!("  runs       {}", a.runs.join(", "));
    }
    if let Some(why) = &report.without {
        say!("No adapter: {why}");
    }
    say!("Node         {}", report.node.as_deref().unwrap_or("missing"));
    say!("Tint         {}", report.tint);
    for advice in &report.advice {
        say!("Advice: {advice}");
    }
}
