//! `cargo xtask new-kernel`: the four files and three lines of a new op, to be filled in.

mod check;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::adapter::AdapterArgs;
use crate::failure::{Failure, Result};
use crate::{output, root, say};

pub use check::self_test;

/// Flags of the command.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The op's stem: snake_case
    #[arg(required_unless_present = "self_test")]
    name: Option<String>,
    /// What it computes, in one line
    #[arg(long, value_name = "TEXT", default_value = "dst = f(x)")]
    formula: String,
    /// Checks this command: a kernel made in a copy of the repository is red until its bodies are filled in, then green
    #[arg(long, conflicts_with_all = ["name", "formula"])]
    self_test: bool,
    #[command(flatten)]
    adapter: AdapterArgs,
}

/// Runs the command.
pub fn run(args: &Args) -> Result {
    if args.self_test {
        return self_test(&args.adapter);
    }
    let root = root::root();
    let name = args.name.as_deref().unwrap_or_default();
    for path in write(&root, name, &args.formula)? {
        say!("{}", path.strip_prefix(&root).unwrap_or(&path).display());
    }
    say!("Conformance fails until what is marked `fill in` is: cargo xtask conformance --filter '{name}/*'");
    Ok(())
}

/// Words that cannot name a module.
const KEYWORDS: &str = "abstract as async await become box break const continue crate do dyn else enum extern false \
    final fn for gen if impl in let loop macro match mod move mut override priv pub ref return self static struct super \
    trait true try type typeof union unsafe unsized use virtual where while yield";

/// Types that a file of an op uses, so that its own cannot have their names.
const TYPES: &str =
    "Case Commands DType Elem Fill Kernel Op OpSpec Option Params Port Real Result Some Tape Tensor Var Vec Work";

/// Writes the op `name` to the repository at `root`; returns the files that are new.
///
/// # Errors
/// A usage error for a name that is not snake_case, is taken, or clashes with what a file of an op imports.
pub fn write(root: &Path, name: &str, formula: &str) -> Result<Vec<PathBuf>> {
    let type_name = check_name(name)?;
    if formula.trim().is_empty() || formula.chars().any(char::is_control) {
        return Err(Failure::usage("the formula must be one line"));
    }
    let files = [
        (root.join(format!("shaders/{name}.wgsl")), include_str!("new_kernel/forward.wgsl.txt")),
        (root.join(format!("shaders/{name}_bwd.wgsl")), include_str!("new_kernel/backward.wgsl.txt")),
        (root.join(format!("src/ops/{name}.rs")), include_str!("new_kernel/op.rs.txt")),
        (root.join(format!("src/cpu/{name}.rs")), include_str!("new_kernel/cpu.rs.txt")),
    ];
    for (path, _) in &files {
        if path.exists() {
            return Err(Failure::usage(format!("`{name}` is taken: {} exists", path.display())));
        }
    }
    let (ops, cpu) = (root.join("src/ops/mod.rs"), root.join("src/cpu/mod.rs"));
    // Everything is made before anything is written, so that a refusal leaves the repository as it was.
    let module = format!("pub mod {name};");
    let ops_text = insert_module(&output::read_text(&ops)?, name, &module).and_then(|text| insert_spec(&text, name));
    let cpu_text = insert_module(&output::read_text(&cpu)?, name, &module);
    let (Some(ops_text), Some(cpu_text)) = (ops_text, cpu_text) else {
        return Err(Failure::usage(format!(
            "`{name}` is taken, or the lists in {} and {} are not found",
            ops.display(),
            cpu.display()
        )));
    };
    for (path, template) in &files {
        let text = template
            .replace("{{name}}", name)
            .replace("{{Name}}", &type_name)
            .replace("{{formula_literal}}", &format!("{formula:?}"))
            .replace("{{formula}}", formula);
        output::write_file(path, text.as_bytes())?;
    }
    output::write_file(&ops, ops_text.as_bytes())?;
    output::write_file(&cpu, cpu_text.as_bytes())?;
    let files = files.map(|(path, _)| path);
    format(root, &files);
    Ok(files.into())
}

/// The name of the op's type; refuses names that do not work.
fn check_name(name: &str) -> Result<String> {
    let word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if !name.split('_').all(word) || !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Err(Failure::usage(format!("`{name}` is not snake_case: lower-case words joined by single `_`")));
    }
    if name.ends_with("_bwd") {
        return Err(Failure::usage(format!("`{name}`: stems that end in `_bwd` are those of backward kernels")));
    }
    let type_name: String = name.split('_').map(|word| word[..1].to_uppercase() + &word[1..]).collect();
    let among = |words: &str, word: &str| words.split_whitespace().any(|w| w == word);
    if among(KEYWORDS, name) || among(TYPES, &type_name) {
        return Err(Failure::usage(format!("`{name}` or `{type_name}` already means something in the file of an op")));
    }
    Ok(type_name)
}

/// The order of rustfmt: `_` before every letter and digit.
fn key(name: &str) -> String {
    name.replace('_', " ")
}

/// `text` with `line` among its `mod` lines; `None` if it has none, or one of `name`.
fn insert_module(text: &str, name: &str, line: &str) -> Option<String> {
    let declared = |line: &str| -> Option<String> {
        let rest = line.strip_prefix("pub ").unwrap_or(line).strip_prefix("mod ")?;
        rest.strip_suffix(';').map(str::to_owned)
    };
    insert(text, name, line, |line| declared(line))
}

/// `text` with the op in its list of specs; `None` if it has no list.
fn insert_spec(text: &str, name: &str) -> Option<String> {
    let listed = |line: &str| Some(line.trim().strip_prefix('&')?.strip_suffix("::SPEC,")?.to_owned());
    insert(text, name, &format!("    &{name}::SPEC,"), listed)
}

/// Puts `line` where it belongs among the lines that `named` knows, which are in alphabetical order.
fn insert(text: &str, name: &str, line: &str, named: impl Fn(&str) -> Option<String>) -> Option<String> {
    let mut lines: Vec<&str> = text.lines().collect();
    let mut at = None;
    for (i, existing) in lines.iter().enumerate() {
        let Some(other) = named(existing) else { continue };
        if other == name {
            return None;
        }
        if key(&other) < key(name) {
            at = Some(i + 1);
        } else if at.is_none() {
            at = Some(i);
        }
    }
    lines.insert(at?, line);
    Some(lines.join("\n") + "\n")
}

/// Long names move line breaks. Without rustfmt the files are right all the same.
fn format(root: &Path, files: &[PathBuf]) {
    let sources = files.iter().filter(|f| f.extension().is_some_and(|e| e == "rs"));
    let _ = Command::new("rustfmt")
        .args(["--edition", "2024", "--config-path"])
        .arg(root)
        .args(sources)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}
