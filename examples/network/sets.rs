//! Networks of the world, which `cargo xtask data NAME` fetches into the user's cache. They are not part of this repository.

use std::path::PathBuf;

use clap::ValueEnum;

use super::cache;

/// A network that can be fetched.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Set {
    /// The European high-voltage grid of the PEGASE project: 9,241 buses, second order
    Grid9241,
    /// 192 regions of a brain with the lengths of their connections
    Connectome192,
    /// The nervous system of a worm: 448 cells, directed
    Celegans,
}

impl Set {
    /// Its name in commands and files.
    pub fn name(self) -> &'static str {
        match self {
            Set::Grid9241 => "grid9241",
            Set::Connectome192 => "connectome192",
            Set::Celegans => "celegans",
        }
    }

    /// How to get it.
    pub fn command(self) -> String {
        format!("cargo xtask data {}", self.name())
    }

    /// Where it lies once fetched.
    ///
    /// # Errors
    /// If the system names no place for caches.
    pub fn file(self) -> Result<PathBuf, String> {
        Ok(cache::folder("networks")?.join(format!("{}.npz", self.name())))
    }
}
