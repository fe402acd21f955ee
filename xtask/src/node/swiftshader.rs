//! A second Vulkan driver for processors. Dawn refuses old versions of lavapipe; SwiftShader comes with Chromium.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::tools::said;
use crate::driver::on_path;
use crate::progress::Progress;
use crate::root;

const PACKAGE: &str = "chromium-common";
const MANIFEST: &str = "vk_swiftshader_icd.json";

/// The driver's manifest. On Debian its package is unpacked below `target`; nothing is installed.
///
/// # Errors
/// Why it cannot be had.
pub fn manifest() -> Result<PathBuf, String> {
    let folder = root::target().join("swiftshader");
    if let Some(found) = find(&folder) {
        return Ok(found);
    }
    if !on_path("apt-get") || !on_path("dpkg-deb") {
        return Err("SwiftShader is fetched from Debian's packages, and this is no Debian".to_owned());
    }
    std::fs::create_dir_all(&folder).map_err(|why| format!("{}: {why}", folder.display()))?;
    let mut progress = Progress::new("SwiftShader", 2);
    progress.at(0, 2, "download");
    // As root, apt downloads as another user, who may not write here; it then says so and goes on.
    let download = || said(Command::new("apt-get").args(["download", PACKAGE]).current_dir(&folder));
    download()
        .or_else(|_| said(Command::new("apt-get").arg("update")).and_then(|_| download()))
        .map_err(|why| format!("`apt-get download {PACKAGE}` failed: {why}"))?;
    progress.at(1, 2, "unpack");
    let package = files(&folder).find(|path| path.extension().is_some_and(|e| e == "deb"));
    let package = package.ok_or_else(|| format!("`apt-get download {PACKAGE}` left no package"))?;
    said(Command::new("dpkg-deb").arg("-x").arg(&package).arg(&folder)).map_err(|why| format!("dpkg-deb: {why}"))?;
    find(&folder).ok_or_else(|| format!("the package {PACKAGE} holds no {MANIFEST}"))
}

fn files(folder: &Path) -> impl Iterator<Item = PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// The manifest below `folder`.
fn find(folder: &Path) -> Option<PathBuf> {
    files(folder).find_map(|path| match path.is_dir() && !path.is_symlink() {
        true => find(&path),
        false => path.file_name().is_some_and(|name| name == MANIFEST).then_some(path),
    })
}
