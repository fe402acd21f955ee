//! Where fetched data sets lie: below the user's cache, as each system has it.

use std::ffi::OsString;
use std::path::PathBuf;

/// The folder of a data set.
///
/// # Errors
/// If the system names no place for caches.
pub fn folder(name: &str) -> Result<PathBuf, String> {
    let cache = cache(|name| std::env::var_os(name).filter(|value| !value.is_empty()));
    Ok(cache.ok_or("no folder for caches is known; set XDG_CACHE_HOME to one")?.join("kuramoto").join(name))
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
