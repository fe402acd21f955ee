//! Where networks run: on an adapter, or without one on the f64 reference.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kuramoto::{Context, Tape};

use super::checkpoint;
use super::network::Options;
use super::solving::Solver;

/// Which device.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Machine {
    /// Use the adapter whose name contains this; `none` does without one
    #[arg(long, value_name = "NAME", env = "KURAMOTO_ADAPTER")]
    pub adapter: Option<String>,
    /// The same as --adapter none: compute with the f64 references, on the host
    #[arg(long)]
    pub reference: bool,
}

/// How long a readback waits: a large batch takes a software driver minutes.
const PATIENCE: Duration = Duration::from_secs(1800);

impl Machine {
    /// A context on the adapter.
    ///
    /// # Errors
    /// If there is none, or none of that name.
    pub fn context(&self) -> Result<Context, Box<dyn Error>> {
        let context = match &self.adapter {
            None => Context::new()?,
            Some(wanted) => {
                let adapters = Context::adapters();
                let names: Vec<String> = adapters.iter().map(|adapter| adapter.get_info().name).collect();
                let at = names.iter().position(|name| name.to_lowercase().contains(&wanted.to_lowercase()));
                let none = || format!("no adapter is named `{wanted}`; there are: {}", names.join(", "));
                Context::from_adapter(&adapters[at.ok_or_else(none)?])?
            }
        };
        context.set_timeout(PATIENCE);
        Ok(context)
    }

    /// A tape on the adapter, or on the reference, and what that is. Where a machine has no adapter at all, the reference
    /// takes its place, and this says so on standard error.
    ///
    /// # Errors
    /// As [`Machine::context`] but for the lack of adapters.
    pub fn tape(&self) -> Result<(Tape, String), Box<dyn Error>> {
        let reference = "the f64 reference, on the host";
        let none = self.adapter.as_deref().is_some_and(|name| name.eq_ignore_ascii_case("none"));
        if self.reference || none {
            return Ok((Tape::reference(), reference.into()));
        }
        if self.adapter.is_none() && Context::adapters().is_empty() {
            eprintln!("No Vulkan, Metal or DirectX 12 adapter was found: computing on {reference}, which is slow.");
            eprintln!("`cargo xtask doctor` tells what is missing, and installs a software driver where it can.");
            return Ok((Tape::reference(), reference.into()));
        }
        let context = self.context()?;
        let info = context.info();
        let name = format!("{}, {} {}", info.name, info.driver, info.driver_info);
        Ok((Tape::new(&context), name.trim().to_owned()))
    }

    /// The network of a file of weights or of a checkpoint, on this machine, and what the machine is.
    ///
    /// # Errors
    /// As [`Machine::tape`]; for a file that is not there or damaged.
    pub fn solver(&self, weights: &Path) -> Result<(Solver, Options, String), Box<dyn Error>> {
        if !weights.exists() {
            let choices = "make some with `sudoku train`, and name its folder with --weights";
            return Err(format!("{}: there are no weights; {choices}", weights.display()).into());
        }
        let (network, options, parameters) = checkpoint::load(weights)?;
        let (mut tape, name) = self.tape()?;
        let placed = parameters.place(&mut tape)?;
        Ok((Solver { network, tape, placed }, options, name))
    }
}

/// The weights that come with this repository, by the cells along a board's side.
pub fn shipped(side: usize) -> PathBuf {
    let name = if side == 9 { "sudoku.safetensors".to_owned() } else { format!("sudoku{side}.safetensors") };
    weights(&name)
}

/// A file among the weights that come with this repository.
pub fn weights(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/weights").join(name)
}
