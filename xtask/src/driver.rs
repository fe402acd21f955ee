//! Getting a machine without a driver to run kernels: where a package manager we know can help, Mesa's software driver
//! is installed from the machine's own sources.

use std::path::Path;
use std::process::{Command, Output};

use kuramoto::Context;
use kuramoto::wgpu;

use crate::adapter::{AdapterArgs, DRIVER_FILES};
use crate::failure::{Failure, Result};
use crate::progress::Progress;

/// The Vulkan loader and Mesa's drivers, lavapipe among them.
const PACKAGES: [&str; 2] = ["mesa-vulkan-drivers", "libvulkan1"];

/// A device, or why there is none.
pub enum Setup {
    /// The adapter to use.
    Ready(wgpu::Adapter),
    /// Why there is no adapter, and what can be done.
    Without(String),
}

/// The chosen adapter; where the machine has none at all, after an attempt to install a software driver.
pub fn set_up(args: &AdapterArgs) -> Result<Setup> {
    args.rerun()?;
    if args.is_none() {
        return Ok(Setup::Without("adapter none was chosen".to_owned()));
    }
    let adapters = Context::adapters();
    if !adapters.is_empty() {
        return args.choose_among(adapters).map(Setup::Ready);
    }
    if let Err(why) = install() {
        return Ok(Setup::Without(format!("no Vulkan, Metal or DirectX 12 adapter was found; {why}")));
    }
    // A new instance loads the Vulkan loader that has just been installed.
    let adapters = Context::adapters();
    if adapters.is_empty() {
        return Ok(Setup::Without(format!("{} are installed, but show no adapter", PACKAGES.join(" and "))));
    }
    args.choose_among(adapters).map(Setup::Ready)
}

/// A context on the chosen adapter, after set-up; the reason where there is no adapter.
pub fn context(args: &AdapterArgs) -> Result<std::result::Result<Context, String>> {
    match set_up(args)? {
        Setup::Ready(adapter) => Ok(Ok(Context::from_adapter(&adapter)?)),
        Setup::Without(why) => Ok(Err(why)),
    }
}

/// Installs the software driver, or says why that cannot be done and what the user can do.
fn install() -> std::result::Result<(), String> {
    let command = format!("apt-get install -y --no-install-recommends {}", PACKAGES.join(" "));
    for name in [DRIVER_FILES, "VK_ICD_FILENAMES"] {
        if std::env::var_os(name).is_some() {
            return Err(format!(
                "{name} is set, so that the Vulkan loader sees no other driver; unset it or correct it"
            ));
        }
    }
    if !cfg!(target_os = "linux") || !on_path("apt-get") {
        return Err("install a driver for this machine's GPU, or Mesa's software driver lavapipe".to_owned());
    }
    if !is_root() {
        return Err(format!("to install a software driver, run: sudo {command}"));
    }
    eprintln!("No Vulkan driver was found. Installing Mesa's software driver, so that kernels run on the processor:");
    eprintln!("  {command}");
    let mut progress = Progress::new("installing", 2);
    if !has_candidate() {
        progress.at(0, 2, "package lists");
        apt(&["update"])?;
    }
    progress.at(1, 2, "packages");
    let mut arguments = vec!["install", "-y", "--no-install-recommends"];
    arguments.extend(PACKAGES);
    // The lists may name versions that the source no longer has.
    apt(&arguments).or_else(|_| apt(&["update"]).and_then(|()| apt(&arguments)))?;
    Ok(())
}

/// Whether the package lists know the packages.
fn has_candidate() -> bool {
    let Ok(output) = Command::new("apt-cache").arg("policy").args(PACKAGES).output() else { return false };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().filter(|line| line.contains("Candidate:") && !line.contains("(none)")).count() == PACKAGES.len()
}

fn apt(arguments: &[&str]) -> std::result::Result<(), String> {
    let said = |output: Output| -> String {
        let text = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        let complaint = text.lines().find(|line| line.starts_with("E:")).or(text.lines().next());
        complaint.unwrap_or("no message").to_owned()
    };
    let run = Command::new("apt-get").args(arguments).env("DEBIAN_FRONTEND", "noninteractive").output();
    match run {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("`apt-get {}` failed: {}", arguments.join(" "), said(output))),
        Err(why) => Err(format!("`apt-get` cannot be run: {why}")),
    }
}

/// Whether `program` is found where a shell would find it.
pub fn on_path(program: &str) -> bool {
    let Some(path) = std::env::var_os("PATH") else { return false };
    std::env::split_paths(&path).any(|folder| Path::new(&folder).join(program).is_file())
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|o| String::from_utf8_lossy(&o.stdout).trim() == "0")
}

/// The failure of a command that cannot do without an adapter.
pub fn needed(why: &str) -> Failure {
    Failure::no_adapter(why)
}
