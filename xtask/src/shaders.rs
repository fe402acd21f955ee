//! `cargo xtask shaders`: the kernels' texts, and what compilers think of them.

use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use kuramoto::kernel::{Access, Elem};
use kuramoto::{DType, Kernel};

use crate::failure::{Failure, Result};
use crate::progress::Progress;
use crate::translate::{Language, Variant};
use crate::{output, say};

/// What to do with the texts.
#[derive(Subcommand, Debug)]
pub enum Action {
    /// Lists the kernels with their bindings
    List,
    /// Prints the text of a kernel as a device compiles it
    Show {
        /// The kernel
        name: String,
        /// Storage type
        #[arg(long, value_enum, default_value_t = Storage::F32)]
        dtype: Storage,
    },
    /// Validates every text and translates it to the languages of all backends
    Validate,
    /// Writes the translations of every text
    Cross {
        /// Where they go
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

/// A storage type, as a flag.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Storage {
    /// 32-bit floats.
    F32,
    /// 16-bit floats.
    F16,
}

impl Storage {
    fn dtype(self) -> DType {
        match self {
            Storage::F32 => DType::F32,
            Storage::F16 => DType::F16,
        }
    }
}

/// Runs the command.
pub fn run(action: &Action) -> Result {
    match action {
        Action::List => list(),
        Action::Show { name, dtype } => show(name, dtype.dtype())?,
        Action::Validate => return validate(None),
        Action::Cross { out } => return validate(Some(out)),
    }
    Ok(())
}

fn list() {
    for kernel in kuramoto::ops::kernels() {
        let names: Vec<String> = kernel.dtypes().iter().map(ToString::to_string).collect();
        let texts = kernel.constant_sets().len() * names.len();
        let plural = if texts == 1 { "" } else { "s" };
        say!("{:<26} {} ({texts} text{plural})", kernel.name, names.join(" "));
        for binding in kernel.bindings {
            let access = match binding.access {
                Access::Read => "read  ",
                Access::Write => "write ",
                Access::Update => "update",
                Access::Sum => "sum   ",
            };
            let elem = match binding.elem {
                Elem::Storage => "Elem",
                Elem::F32 => "f32",
                Elem::U32 => "u32",
                Elem::Words => "words",
            };
            say!("    {access} {:<12} {elem:<5} {}", binding.name, binding.shape);
        }
        for constant in kernel.constants {
            say!("    const {} in {:?}", constant.name, constant.values);
        }
    }
}

fn show(name: &str, dtype: DType) -> Result {
    let kernel = find(name)?;
    if !kernel.dtypes().contains(&dtype) {
        return Err(Failure::usage(format!("{name} has no {dtype} text: its bindings do not follow the storage type")));
    }
    let constants = kernel.constant_sets().into_iter().next().unwrap_or_default();
    say!("{}", kernel.text(dtype, &constants).trim_end());
    Ok(())
}

fn find(name: &str) -> Result<&'static Kernel> {
    let kernels = kuramoto::ops::kernels();
    kernels.iter().find(|k| k.name == name).copied().ok_or_else(|| {
        let names: Vec<&str> = kernels.iter().map(|k| k.name).collect();
        Failure::usage(format!("no kernel is named `{name}`; there are: {}", names.join(", ")))
    })
}

/// Validates and translates everything; with `out` the translations are kept.
fn validate(out: Option<&Path>) -> Result {
    let variants = Variant::all();
    let mut progress = Progress::new("shaders", variants.len());
    let (mut written, mut failures, mut lacking) = (0, Vec::new(), Vec::new());
    for (i, variant) in variants.iter().enumerate() {
        let name = variant.name();
        progress.at(i, variants.len(), &name);
        let valid = match variant.validate() {
            Ok(valid) => valid,
            Err(why) => {
                failures.push(format!("{name}: {why}"));
                continue;
            }
        };
        for language in Language::ALL {
            match (language.write(&valid), language.lacks(variant)) {
                (Ok(bytes), _) => {
                    written += 1;
                    if let Some(out) = out {
                        output::write_file(&out.join(format!("{name}.{}", language.extension())), &bytes)?;
                    }
                }
                (Err(_), Some(why)) => lacking.push((name.clone(), language, why)),
                (Err(why), None) => failures.push(format!("{name}: {}: {why}", language.name())),
            }
        }
    }
    drop(progress);
    for (name, language, why) in &lacking {
        say!("{name}: not in {}: {why}", language.name());
    }
    for failure in &failures {
        say!("{failure}");
    }
    let (texts, count) = (variants.len(), kuramoto::ops::kernels().len());
    say!(
        "{count} kernels, {texts} texts: {written} translations, {} not possible, {} failures",
        lacking.len(),
        failures.len()
    );
    if failures.is_empty() {
        Ok(())
    } else {
        Err(Failure::check(format!("{} texts or translations failed", failures.len())))
    }
}
