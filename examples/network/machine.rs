//! Where networks run: on an adapter, or without one on the f64 reference.

use std::error::Error;

use kuramoto::{Context, Tape};

/// Which device
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Machine {
    /// Use the adapter whose name contains this
    #[arg(long, value_name = "NAME", env = "KURAMOTO_ADAPTER")]
    pub adapter: Option<String>,
    /// Compute in f64 on the processor instead of a device
    #[arg(long)]
    pub cpu: bool,
}

impl Machine {
    /// A tape on the adapter, or on the reference, and what that is. Where a machine has no adapter at all, the reference
    /// takes its place, and this says so on standard error.
    ///
    /// # Errors
    /// If there is no adapter of that name.
    pub fn tape(&self) -> Result<(Tape, String), Box<dyn Error>> {
        let reference = "the f64 reference, on the host";
        if self.cpu {
            return Ok((Tape::reference(), reference.into()));
        }
        let adapters = Context::adapters();
        let context = match &self.adapter {
            None if adapters.is_empty() => {
                eprintln!("No Vulkan, Metal or DirectX 12 adapter was found: computing on {reference}, which is slow.");
                eprintln!("`cargo xtask doctor` tells what is missing, and installs a software driver where it can.");
                return Ok((Tape::reference(), reference.into()));
            }
            None => Context::new()?,
            Some(wanted) => {
                let names: Vec<String> = adapters.iter().map(|adapter| adapter.get_info().name).collect();
                let at = names.iter().position(|name| name.to_lowercase().contains(&wanted.to_lowercase()));
                let none = || format!("no adapter is named `{wanted}`; there are: {}", names.join(", "));
                Context::from_adapter(&adapters[at.ok_or_else(none)?])?
            }
        };
        let info = context.info();
        let name = format!("{}, {} {}", info.name, info.driver, info.driver_info);
        Ok((Tape::new(&context), name.trim().to_owned()))
    }
}
