//! Where the repository is.

use std::path::PathBuf;

/// The repository's root: the folder above this package. Cargo says where that is when it runs us; else it is where it
/// was built.
pub fn root() -> PathBuf {
    let told = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).filter(|p| p.ends_with("xtask"));
    let package = told.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    package.parent().map(PathBuf::from).unwrap_or(package)
}

/// The folder for what commands make.
pub fn target() -> PathBuf {
    root().join("target")
}
