//! `cargo xtask tune`: measures which variant of each product is the fastest on a device, and keeps the answer.

use std::path::PathBuf;

use kuramoto::ops::{self, Tunable};
use kuramoto::{Choice, Context, DType};
use serde::{Deserialize, Serialize};

use crate::adapter::{self, AdapterArgs};
use crate::failure::{Failure, Result};
use crate::progress::Progress;
use crate::{cache, output, say};

/// Flags of the command.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Where the choices are kept [default: tune.json in your cache]
    #[arg(long, value_name = "FILE")]
    cache: Option<PathBuf>,
    /// Print what is kept for this adapter, without measuring
    #[arg(long)]
    show: bool,
    /// Only small sizes
    #[arg(long)]
    quick: bool,
    #[command(flatten)]
    adapter: AdapterArgs,
}

/// The file: choices of each adapter, driver and version of this library.
#[derive(Default, Serialize, Deserialize)]
struct File {
    adapters: Vec<Kept>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Kept {
    adapter: String,
    version: String,
    /// `op dtype extents variant`, as a program gives them to `Context::pin`.
    choices: Vec<String>,
}

/// Runs the command.
pub fn run(args: &Args) -> Result {
    let path = match &args.cache {
        Some(path) => path.clone(),
        None => cache::folder("tune").map_err(Failure::check)?.join("tune.json"),
    };
    let context = args.adapter.context()?;
    let info = context.info();
    let adapter = format!("{}, {}", info.name, adapter::driver(info));
    let mut file = read(&path)?;
    let version = env!("CARGO_PKG_VERSION");
    let is_own = |kept: &Kept| kept.adapter == adapter && kept.version == version;
    if args.show {
        let Some(kept) = file.adapters.iter().find(|kept| is_own(kept)) else {
            return Err(Failure::check(format!(
                "{}: nothing is kept for {adapter}; run `cargo xtask tune`",
                path.display()
            )));
        };
        kept.choices.iter().for_each(|choice| say!("{choice}"));
        return Ok(());
    }
    let choices = measure(&context, args.quick)?;
    file.adapters.retain(|kept| !is_own(kept));
    let choices = choices.iter().map(Choice::to_string).collect();
    file.adapters.push(Kept { adapter, version: version.to_owned(), choices });
    output::write_json(&path, &file)?;
    say!("kept in {}; a program pins them with Context::pin", path.display());
    Ok(())
}

fn read(path: &std::path::Path) -> Result<File> {
    if !path.exists() {
        return Ok(File::default());
    }
    serde_json::from_str(&output::read_text(path)?).map_err(|why| {
        Failure::usage(format!("{}: no file of choices ({why}); move it away or name another --cache", path.display()))
    })
}

/// The sizes of the published networks and of small ones.
fn sizes(quick: bool) -> Vec<Tunable> {
    let widths: &[usize] = if quick { &[32] } else { &[16, 64, 128, 256, 512] };
    let mut all = Vec::new();
    for &width in widths {
        all.push(Tunable::Matmul { rows: width, columns: width, depth: width });
        all.push(Tunable::Linear { rows: width, depth: width });
        all.push(Tunable::Linear { rows: 3 * width, depth: width });
        // Kernels as the published image networks have them, where a software driver is done within seconds.
        let kernels: &[usize] = if quick || width > 128 { &[3] } else { &[3, 9] };
        all.extend(kernels.iter().map(|&kernel| Tunable::Conv2d { c_out: width, c_in: width, kernel }));
    }
    all
}

fn measure(context: &Context, quick: bool) -> Result<Vec<Choice>> {
    let dtypes: &[DType] = adapter::dtypes(context);
    let sizes = sizes(quick);
    let total = sizes.len() * dtypes.len();
    let mut progress = Progress::new("tune", total);
    for (i, size) in sizes.iter().enumerate() {
        for (j, dtype) in dtypes.iter().enumerate() {
            progress.at(i * dtypes.len() + j, total, &format!("{size:?} {dtype}"));
            say!("{}", ops::tune(context, *size, *dtype)?);
            context.trim();
        }
    }
    Ok(context.pinned())
}
