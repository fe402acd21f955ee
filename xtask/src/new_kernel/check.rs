//! Does a new kernel turn red, and green once it is filled in? Built and judged in a copy of the repository.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::adapter::AdapterArgs;
use crate::failure::{Failure, Result};
use crate::{output, root, say};

const NAME: &str = "new_kernel_check";

/// What fills the bodies in: `dst = x^3`.
const BODIES: [(&str, &str, &str); 4] = [
    ("shaders/new_kernel_check.wgsl", "0.0 * v", "v * v * v"),
    ("shaders/new_kernel_check_bwd.wgsl", "0.0 * v * g", "3.0 * v * v * g"),
    ("src/cpu/new_kernel_check.rs", "map(|v| *v)", "map(|v| *v * *v * *v)"),
    ("src/cpu/new_kernel_check.rs", "map(|(_v, g)| *g)", "map(|(v, g)| R::exact(3.0) * *v * *v * *g)"),
];

/// Runs the check; minutes, since the copy is built from scratch once.
pub fn self_test(adapter: &AdapterArgs) -> Result {
    let (from, to) = (root::root(), root::target().join("new-kernel/copy"));
    if to.exists() {
        std::fs::remove_dir_all(&to).map_err(|why| Failure::check(format!("{}: {why}", to.display())))?;
    }
    copy(&from, &to).map_err(|why| Failure::check(format!("{}: {why}", to.display())))?;
    super::write(&to, NAME, "dst = x^3")?;
    step("a new kernel is formatted", &cargo(&to, &["fmt", "--all", "--check"], adapter), true)?;
    let conformance = ["run", "--quiet", "--package", "xtask", "--", "conformance", "--filter", "new_kernel_check/*"];
    step("a new kernel is red", &cargo(&to, &conformance, adapter), false)?;
    for (file, marked, body) in BODIES {
        let path = to.join(file);
        let text = output::read_text(&path)?;
        if !text.contains(marked) {
            return Err(Failure::check(format!("{file}: the template has no `{marked}` to fill in")));
        }
        output::write_file(&path, text.replacen(marked, body, 1).as_bytes())?;
    }
    step("it is green once it is filled in", &cargo(&to, &conformance, adapter), true)
}

/// How a command in the copy ended.
struct Ended {
    code: Option<i32>,
    said: String,
    seconds: f64,
}

fn cargo(copy: &Path, arguments: &[&str], adapter: &AdapterArgs) -> Ended {
    let started = Instant::now();
    let mut command = Command::new("cargo");
    // Its own target folder: the program that runs here must not be replaced while it runs.
    command.args(arguments).current_dir(copy).env("CARGO_TARGET_DIR", root::target().join("new-kernel"));
    command.env_remove("CARGO_MANIFEST_DIR");
    if let Some(name) = &adapter.adapter {
        command.env("KURAMOTO_ADAPTER", name);
    }
    match command.output() {
        Ok(output) => Ended {
            code: output.status.code(),
            said: String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
            seconds: started.elapsed().as_secs_f64(),
        },
        Err(why) => Ended { code: None, said: why.to_string(), seconds: 0.0 },
    }
}

/// A check passes with code 0, or fails with code 1 where it must fail: any other code means that it did not run.
fn step(what: &str, ended: &Ended, green: bool) -> Result {
    let wanted = if green { 0 } else { 1 };
    let judged = green || ended.said.contains("rows failed");
    if ended.code == Some(wanted) && judged {
        say!("{what}: yes ({:.0} s)", ended.seconds);
        return Ok(());
    }
    Err(Failure::check(format!("{what}: no; exit code {:?}\n{}", ended.code, ended.said.trim_end())))
}

/// Copies what a build needs.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    const LEFT_OUT: [&str; 4] = ["target", "out", ".git", "shared"];
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if !LEFT_OUT.iter().any(|left| name == *left) {
            copy_all(&entry.path(), &to.join(name))?;
        }
    }
    Ok(())
}

fn copy_all(from: &PathBuf, to: &PathBuf) -> std::io::Result<()> {
    if !from.is_dir() {
        return std::fs::copy(from, to).map(|_| ());
    }
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        copy_all(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}
