//! The tools of `xtask/node`, installed below `target`, and how to run one.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::de::DeserializeOwned;

use crate::progress::Progress;
use crate::{output, root};

/// Node and the installed tools.
pub struct Tools {
    folder: PathBuf,
    version: String,
}

/// What a tool does when it finds no adapter.
const NO_ADAPTER: i32 = 3;

/// Why a tool gave no report.
pub enum Trouble {
    /// It needs an adapter and found none.
    NoAdapter(String),
    /// Anything else.
    Failed(String),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Trouble::NoAdapter(why) | Trouble::Failed(why)) = self;
        f.write_str(why)
    }
}

impl Tools {
    /// Copies the tools below `target` and installs their packages there, unless that has been done for this lock file.
    ///
    /// # Errors
    /// Why the tools cannot be had.
    pub fn get() -> Result<Tools, String> {
        let version = said(Command::new("node").arg("--version")).map_err(|_| "Node is missing".to_owned())?;
        let (from, folder) = (root::root().join("xtask/node"), root::target().join("node"));
        let lock = copy(&from, &folder)?;
        let stamp = folder.join("node_modules/.installed");
        if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == lock) {
            return Ok(Tools { folder, version });
        }
        let mut progress = Progress::new("npm ci", 1);
        progress.at(0, 1, "packages");
        let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
        said(Command::new(npm).arg("ci").current_dir(&folder)).map_err(|why| format!("`npm ci` failed: {why}"))?;
        std::fs::write(&stamp, lock).map_err(|why| format!("{}: {why}", stamp.display()))?;
        Ok(Tools { folder, version })
    }

    /// Node's version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The folder for manifests.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Runs a tool and parses the JSON that it prints. A failed self-test prints its report too.
    ///
    /// # Errors
    /// What the tool said instead.
    pub fn run<T: DeserializeOwned>(
        &self,
        tool: &str,
        arguments: &[&str],
        environment: &[(&str, &Path)],
    ) -> Result<T, Trouble> {
        let mut command = Command::new("node");
        command.arg(self.folder.join(tool)).args(arguments).current_dir(&self.folder);
        command.envs(environment.iter().copied());
        let output = command.output().map_err(|why| Trouble::Failed(format!("{tool}: {why}")))?;
        serde_json::from_slice(&output.stdout).map_err(|_| {
            let stderr = String::from_utf8_lossy(&output.stderr);
            let why = stderr.lines().next().unwrap_or("no message").to_owned();
            match output.status.code() {
                Some(NO_ADAPTER) => Trouble::NoAdapter(why),
                code => Trouble::Failed(format!("{tool} ended with {code:?}: {why}")),
            }
        })
    }
}

/// Copies the files of `from` to `to` and returns the lock file's text.
fn copy(from: &Path, to: &Path) -> Result<String, String> {
    let told = |path: &Path, why: std::io::Error| format!("{}: {why}", path.display());
    output::make_folder(to).map_err(|why| why.message().unwrap_or_default().to_owned())?;
    for entry in std::fs::read_dir(from).map_err(|why| told(from, why))? {
        let path = entry.map_err(|why| told(from, why))?.path();
        if let (true, Some(name)) = (path.is_file(), path.file_name()) {
            std::fs::copy(&path, to.join(name)).map_err(|why| told(&path, why))?;
        }
    }
    let lock = from.join("package-lock.json");
    std::fs::read_to_string(&lock).map_err(|why| told(&lock, why))
}

/// What a command prints; its complaint if it fails.
pub fn said(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|why| why.to_string())?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(stderr.lines().next().unwrap_or("no message").to_owned())
}
