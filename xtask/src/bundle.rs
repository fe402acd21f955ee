//! `cargo xtask bundle`: one folder with everything that judges and times a machine, which needs neither network nor
//! toolchain there.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::{Failure, Result};
use crate::{output, root, say};

/// Flags of the command.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Where the folder goes; what was bundled there before is replaced
    #[arg(long, value_name = "DIR", default_value = "target/bundle")]
    out: PathBuf,
}

/// Larger ones are refused: they have to be carried.
const MOST_BYTES: u64 = 60 << 20;

/// What the folder begins with, so that a bundle never replaces anything else.
const MARK: &str = "run.sh";

/// Runs the command.
pub fn run(args: &Args) -> Result {
    let root = root::root();
    let out = if args.out.is_absolute() { args.out.clone() } else { root.join(&args.out) };
    clear(&out)?;
    let programs = programs()?;
    for (name, from) in &programs {
        copy(from, &out.join("bin").join(format!("{name}{}", std::env::consts::EXE_SUFFIX)))?;
    }
    for path in files(&root.join("tests/golden"), "safetensors")? {
        copy(&path, &out.join("golden").join(path.file_name().unwrap_or_default()))?;
    }
    for path in files(&root.join("benches/peers"), "py")? {
        copy(&path, &out.join("peers").join(path.file_name().unwrap_or_default()))?;
    }
    output::write_text(&out.join(MARK), include_str!("bundle/run.sh"))?;
    output::write_text(&out.join("README.txt"), include_str!("bundle/README.txt"))?;
    let bytes = size(&out)?;
    if bytes > MOST_BYTES {
        return Err(Failure::check(format!("the bundle has {bytes} bytes, more than {MOST_BYTES}")));
    }
    say!("{}: {:.1} MiB; on the other machine: sh run.sh", out.display(), bytes as f64 / f64::from(1 << 20));
    Ok(())
}

fn clear(out: &Path) -> Result {
    if !out.exists() {
        return Ok(());
    }
    let is_empty = std::fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_none());
    if !is_empty && !out.join(MARK).exists() {
        return Err(Failure::usage(format!("{} holds something else; choose another --out", out.display())));
    }
    std::fs::remove_dir_all(out).map_err(|why| Failure::check(format!("{}: {why}", out.display())))
}

/// The two programs, optimised: this one and the workloads that are compared with PyTorch's.
fn programs() -> Result<[(&'static str, PathBuf); 2]> {
    let root = root::root();
    let build = |arguments: &[&str]| -> Result<PathBuf> {
        let mut cargo = Command::new("cargo");
        cargo.args(["build", "--release", "--message-format=json-render-diagnostics"]).args(arguments);
        let child = cargo.current_dir(&root).env_remove("CARGO_MANIFEST_DIR").stderr(Stdio::inherit()).output();
        let output = child.map_err(|why| Failure::check(format!("cargo cannot be run: {why}")))?;
        if !output.status.success() {
            return Err(Failure::check(format!("building {} failed", arguments.join(" "))));
        }
        // The last artifact with an executable is the one asked for.
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let messages = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let mut executables = messages.filter_map(|message| message["executable"].as_str().map(PathBuf::from));
        executables
            .next_back()
            .ok_or_else(|| Failure::check(format!("cargo named no program for {}", arguments.join(" "))))
    };
    eprintln!("building with optimisations; the first time takes minutes");
    Ok([
        ("xtask", build(&["--package", "xtask"])?),
        ("workloads", build(&["--package", "kuramoto", "--bench", "workloads"])?),
    ])
}

fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(|why| Failure::check(format!("{}: {why}", folder.display())))?;
    let paths = entries.flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|e| e == extension)).collect();
    found.sort();
    Ok(found)
}

fn copy(from: &Path, to: &Path) -> Result {
    if let Some(folder) = to.parent() {
        output::make_folder(folder)?;
    }
    match std::fs::copy(from, to) {
        Ok(_) => Ok(()),
        Err(why) => Err(Failure::check(format!("{} to {}: {why}", from.display(), to.display()))),
    }
}

fn size(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    let entries = std::fs::read_dir(folder).map_err(|why| Failure::check(format!("{}: {why}", folder.display())))?;
    for entry in entries.flatten() {
        let path = entry.path();
        bytes += if path.is_dir() { size(&path)? } else { entry.metadata().map_or(0, |data| data.len()) };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bundle_is_replaced() {
        let folder = std::env::temp_dir().join(format!("kuramoto-bundle-{}", std::process::id()));
        assert!(clear(&folder).is_ok());
        output::write_text(&folder.join("precious.txt"), "kept").unwrap();
        assert!(clear(&folder).unwrap_err().is_usage());
        assert!(folder.join("precious.txt").exists());
        output::write_text(&folder.join(MARK), "").unwrap();
        clear(&folder).unwrap();
        assert!(!folder.exists());
    }

    #[test]
    fn the_script_runs_what_the_folder_holds() {
        let script = include_str!("bundle/run.sh");
        for part in ["doctor", "checklist", "conformance", "golden", "profile", "compare.py"] {
            assert!(script.contains(part), "{part}");
        }
    }
}
