//! Which adapter a command uses.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use clap::Args;
use kuramoto::wgpu::{self, DeviceType};
use kuramoto::{Context, DType};

use crate::failure::{Failure, Result};

/// The variable by which the Vulkan loader is told where its drivers are.
pub const DRIVER_FILES: &str = "VK_DRIVER_FILES";

/// The adapter and the driver, as the user names them. The library reads no environment, so this is the only place
/// where KURAMOTO_ADAPTER has a meaning.
#[derive(Args, Clone, Debug, Default)]
pub struct AdapterArgs {
    /// Use the adapter whose name contains this, in any case; `none` does without one
    #[arg(long, value_name = "NAME", env = "KURAMOTO_ADAPTER")]
    pub adapter: Option<String>,
    /// Use the Vulkan driver that this manifest describes
    #[arg(long, value_name = "ICD.json")]
    pub driver: Option<PathBuf>,
}

impl AdapterArgs {
    /// Whether the user asked for no adapter.
    pub fn is_none(&self) -> bool {
        self.adapter.as_deref().is_some_and(|name| name.eq_ignore_ascii_case("none"))
    }

    /// With `--driver`, runs this very command again as a child whose loader sees that driver only, and ends with its
    /// exit code: the loader reads the variable once, and changing the environment of a running process is not safe.
    pub fn rerun(&self) -> Result {
        let Some(manifest) = &self.driver else { return Ok(()) };
        let manifest = manifest
            .canonicalize()
            .map_err(|why| Failure::usage(format!("{}: cannot be read ({why}); check the path", manifest.display())))?;
        if std::env::var_os(DRIVER_FILES).is_some_and(|set| set == *manifest.as_os_str()) {
            return Ok(());
        }
        let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
        let program = std::env::current_exe().map_err(|why| Failure::check(format!("this program: {why}")))?;
        let status = Command::new(&program).args(arguments).env(DRIVER_FILES, &manifest).status();
        match status {
            Ok(status) => Err(Failure::child(status)),
            Err(why) => Err(Failure::check(format!("{}: {why}", program.display()))),
        }
    }

    /// The adapter to use among those of this machine: the named one, else the best of its kind.
    pub fn choose(&self) -> Result<wgpu::Adapter> {
        if self.is_none() {
            return Err(Failure::no_adapter("adapter none: this command needs a device"));
        }
        self.choose_among(Context::adapters())
    }

    /// [`AdapterArgs::choose`] among `adapters`.
    pub fn choose_among(&self, mut adapters: Vec<wgpu::Adapter>) -> Result<wgpu::Adapter> {
        if adapters.is_empty() {
            return Err(Failure::no_adapter("no adapter; `cargo xtask doctor` says what is missing"));
        }
        let names: Vec<String> = adapters.iter().map(|a| a.get_info().name).collect();
        if let Some(wanted) = &self.adapter {
            let wanted = wanted.to_lowercase();
            adapters.retain(|a| a.get_info().name.to_lowercase().contains(&wanted));
        }
        adapters.sort_by_key(|a| rank(a.get_info().device_type));
        adapters.into_iter().next().ok_or_else(|| {
            let wanted = self.adapter.as_deref().unwrap_or_default();
            Failure::no_adapter(format!("no adapter is named `{wanted}`; there are: {}", names.join(", ")))
        })
    }

    /// A context on the chosen adapter.
    pub fn context(&self) -> Result<Context> {
        self.rerun()?;
        Ok(Context::from_adapter(&self.choose()?)?)
    }
}

/// Smaller is preferred.
fn rank(kind: DeviceType) -> u8 {
    match kind {
        DeviceType::DiscreteGpu => 0,
        DeviceType::IntegratedGpu => 1,
        DeviceType::VirtualGpu => 2,
        DeviceType::Cpu => 3,
        DeviceType::Other => 4,
    }
}

/// The kind of device, for people.
pub fn kind(kind: DeviceType) -> &'static str {
    match kind {
        DeviceType::DiscreteGpu => "discrete GPU",
        DeviceType::IntegratedGpu => "integrated GPU",
        DeviceType::VirtualGpu => "virtual GPU",
        DeviceType::Cpu => "CPU",
        DeviceType::Other => "of another kind",
    }
}

/// Driver and version in one line.
pub fn driver(info: &wgpu::AdapterInfo) -> String {
    format!("{} {}", info.driver, info.driver_info).trim().to_owned()
}

/// The storage types that kernels can run with on this device.
pub fn dtypes(context: &Context) -> &'static [DType] {
    if context.has_f16() { &[DType::F32, DType::F16] } else { &[DType::F32] }
}

/// The version of Mesa in `driver_info`, if that is what drives the adapter.
pub fn mesa_version(info: &wgpu::AdapterInfo) -> Option<(u32, String)> {
    let after = info.driver_info.split("Mesa ").nth(1)?;
    let version: String = after.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    let major = version.split('.').next()?.parse().ok()?;
    Some((major, version))
}

/// Whether the adapter is Mesa's driver for processors.
pub fn is_lavapipe(info: &wgpu::AdapterInfo) -> bool {
    info.name.to_lowercase().contains("llvmpipe") || info.driver.to_lowercase().contains("llvmpipe")
}
