//! A new op is four new files and three new lines, and nothing else.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use xtask::new_kernel;

/// The parts of the repository that the command touches, in a folder of its own.
struct Copy(PathBuf);

impl Copy {
    fn new(name: &str) -> Copy {
        let to = std::env::temp_dir().join(format!("kuramoto-new-kernel-{}-{name}", std::process::id()));
        for folder in ["src/ops", "src/cpu", "shaders"] {
            let from = xtask::root::root().join(folder);
            std::fs::create_dir_all(to.join(folder)).unwrap();
            for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
                if entry.path().is_file() {
                    std::fs::copy(entry.path(), to.join(folder).join(entry.file_name())).unwrap();
                }
            }
        }
        Copy(to)
    }

    fn files(&self) -> BTreeMap<String, String> {
        let mut files = BTreeMap::new();
        for folder in ["src/ops", "src/cpu", "shaders"] {
            for entry in std::fs::read_dir(self.0.join(folder)).unwrap().map(Result::unwrap) {
                let name = format!("{folder}/{}", entry.file_name().display());
                files.insert(name, std::fs::read_to_string(entry.path()).unwrap());
            }
        }
        files
    }

    fn text(&self, path: &str) -> String {
        std::fs::read_to_string(self.0.join(path)).unwrap()
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The lines of `after` that `before` does not have, given that all others are the same and in order.
fn added<'a>(before: &str, after: &'a str) -> Vec<&'a str> {
    let mut old = before.lines().peekable();
    let added = after.lines().filter(|line| old.next_if(|o| o == line).is_none()).collect();
    assert_eq!(old.next(), None, "a line was removed or changed");
    added
}

#[test]
fn four_files_and_three_lines() {
    for name in ["aaa", "mean_pool", "zz9"] {
        let copy = Copy::new(name);
        let before = copy.files();
        new_kernel::write(&copy.0, name, "dst = x^3").unwrap();
        let after = copy.files();
        let mut new: Vec<&String> = after.keys().filter(|path| !before.contains_key(*path)).collect();
        new.sort();
        let [shader, backward] = [format!("shaders/{name}.wgsl"), format!("shaders/{name}_bwd.wgsl")];
        let [cpu, op] = [format!("src/cpu/{name}.rs"), format!("src/ops/{name}.rs")];
        assert_eq!(new, [&shader, &backward, &cpu, &op]);
        for path in new {
            assert!(after[path].contains("fill in"), "{path} does not say what to fill in");
            assert!(!after[path].contains("{{"), "{path} has a placeholder left");
        }
        let mut lines = Vec::new();
        for (path, text) in &before {
            lines.extend(added(text, &after[path]).into_iter().map(|line| format!("{path}: {line}")));
        }
        let wanted = [
            format!("src/cpu/mod.rs: pub mod {name};"),
            format!("src/ops/mod.rs: pub mod {name};"),
            format!("src/ops/mod.rs:     &{name}::SPEC,"),
        ];
        assert_eq!(lines, wanted);
    }
}

#[test]
fn lines_go_where_the_alphabet_puts_them() {
    let copy = Copy::new("alphabet");
    new_kernel::write(&copy.0, "dots", "dst = f(x)").unwrap();
    let ops = copy.text("src/ops/mod.rs");
    assert!(ops.contains("pub mod dot;\npub mod dots;\n") && ops.contains("    &dot::SPEC,\n    &dots::SPEC,\n"));
    assert!(copy.text("src/cpu/mod.rs").contains("pub mod dot;\npub mod dots;\n"));
}

#[test]
fn bad_names_change_nothing() {
    let copy = Copy::new("refused");
    let before = copy.files();
    let bad = ["", "Scale", "two words", "a__b", "_a", "a_", "2d", "a-b", "../x", "ä", "loop", "kernel", "dot_bwd"];
    let taken = ["scale", "dot", "spec", "layout"];
    for name in bad.iter().chain(&taken) {
        assert!(new_kernel::write(Path::new(&copy.0), name, "dst = f(x)").is_err(), "`{name}` was accepted");
    }
    for formula in ["", "two\nlines", "\u{1b}[31m"] {
        assert!(new_kernel::write(&copy.0, "fine", formula).is_err(), "{formula:?} was accepted");
    }
    assert_eq!(copy.files(), before);
}

#[test]
fn the_command_ends_with_code_2() {
    for name in ["Scale", "scale"] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_xtask")).args(["new-kernel", name]).output();
        assert_eq!(output.unwrap().status.code(), Some(2), "{name}");
    }
}
