//! Puzzles with fewer givens than boards are made with here: the rungs of a collection of 17-clue puzzles, which
//! `cargo xtask data sudoku17` fetches into the user's cache. It is not part of this repository, nor may it be.

use std::ffi::OsString;
use std::path::PathBuf;

use super::board::Board;
use super::data;

/// Givens of the rungs: the puzzles of the collection, then the same with more and more digits of their solutions.
pub const GIVENS: std::ops::RangeInclusive<usize> = 17..=21;

/// How to get them.
pub const COMMAND: &str = "cargo xtask data sudoku17";

/// The folder of the rungs: below the user's cache, as each system has it.
///
/// # Errors
/// If the system names no place for caches.
pub fn folder() -> Result<PathBuf, String> {
    let cache = cache(|name| std::env::var_os(name).filter(|value| !value.is_empty()));
    Ok(cache.ok_or("no folder for caches is known; set XDG_CACHE_HOME to one")?.join("kuramoto").join("sudoku17"))
}

fn cache(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let of = |name: &str| variable(name).map(PathBuf::from);
    let home = |rest: &str| of("HOME").map(|home| home.join(rest));
    of("XDG_CACHE_HOME").filter(|path| path.is_absolute()).or_else(|| match () {
        () if cfg!(windows) => of("LOCALAPPDATA"),
        () if cfg!(target_os = "macos") => home("Library/Caches"),
        () => home(".cache"),
    })
}

/// The file of a rung.
///
/// # Errors
/// As [`folder`].
pub fn file(givens: usize) -> Result<PathBuf, String> {
    Ok(folder()?.join(format!("{givens}.txt")))
}

/// The first `count` boards of a rung, fewer if it has fewer; none if it was not fetched.
///
/// # Errors
/// As [`folder`]; for a file that cannot be read or is damaged.
pub fn rung(givens: usize, count: usize) -> Result<Vec<Board>, Box<dyn std::error::Error>> {
    let mut boards = data::read(&file(givens)?)?;
    boards.truncate(count);
    match boards.iter().find(|board| board.givens() != givens) {
        Some(board) => Err(format!("the rung of {givens} givens has a board of {}", board.givens()).into()),
        None => Ok(boards),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_where_the_system_has_it() {
        let set = |pairs: &'static [(&str, &str)]| {
            cache(move |name| pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.into()))
        };
        if cfg!(all(unix, not(target_os = "macos"))) {
            assert_eq!(set(&[("HOME", "/home/a")]), Some("/home/a/.cache".into()));
            assert_eq!(set(&[("HOME", "/home/a"), ("XDG_CACHE_HOME", "/c")]), Some("/c".into()));
            // A relative one is to be ignored.
            assert_eq!(set(&[("HOME", "/home/a"), ("XDG_CACHE_HOME", "c")]), Some("/home/a/.cache".into()));
        }
        assert_eq!(set(&[]), None);
    }
}
