//! Where the repository is.

use std::path::PathBuf;

/// The repository's root: the folder above this package.
pub fn root() -> PathBuf {
    let package = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    package.parent().map(PathBuf::from).unwrap_or(package)
}

/// The folder for what commands make.
pub fn target() -> PathBuf {
    root().join("target")
}
