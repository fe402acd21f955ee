//! `cargo xtask readme`: keeps the table of kernels in the README equal to the code.

use std::fmt::Write;

use kuramoto::ops::spec::OpSpec;

use crate::failure::{Failure, Result};
use crate::{output, root, say};

const BEGIN: &str = "<!-- kernels -->";
const END: &str = "<!-- /kernels -->";

/// Flags of the command.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Change nothing; fail if the table is not what the code says
    #[arg(long)]
    pub check: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Result {
    let path = root::root().join("README.md");
    let text = output::read_text(&path)?;
    let fresh = replaced(&text, &table(kuramoto::ops::ALL)).ok_or_else(|| {
        Failure::check(format!("README.md: the table of kernels has no place; add lines `{BEGIN}` and `{END}`"))
    })?;
    if fresh == text {
        say!("README.md: the table of kernels is up to date");
        return Ok(());
    }
    if args.check {
        return Err(Failure::check("README.md: the table of kernels is out of date; run `cargo xtask readme`"));
    }
    output::write_file(&path, fresh.as_bytes())?;
    say!("README.md: the table of kernels is rewritten");
    Ok(())
}

/// `text` with what is between the markers replaced.
fn replaced(text: &str, table: &str) -> Option<String> {
    let (head, rest) = text.split_once(BEGIN)?;
    let (_, tail) = rest.split_once(END)?;
    Some(format!("{head}{BEGIN}\n{table}{END}{tail}"))
}

fn table(ops: &[&OpSpec]) -> String {
    let mut table = String::from("| op | formula | storage | passes | kernels |\n|---|---|---|---|---|\n");
    for op in ops {
        let dtypes = op.kernels.first().map_or(&[][..], |kernel| kernel.dtypes());
        let dtypes: Vec<String> = dtypes.iter().map(ToString::to_string).collect();
        let kernels: Vec<String> = op.kernels.iter().map(|k| format!("`{}`", k.name)).collect();
        let passes = if op.differentiable { "forward, backward" } else { "forward" };
        // A bar ends a cell, also within code.
        let formula = op.formula.replace('|', "\\|");
        let _ = writeln!(
            table,
            "| `{}` | `{formula}` | {} | {passes} | {} |",
            op.name,
            dtypes.join(", "),
            kernels.join(", ")
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_table_is_replaced() {
        let text = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        let new = replaced(&text, "new\n").unwrap();
        assert_eq!(new, format!("a\n{BEGIN}\nnew\n{END}\nb\n"));
        assert_eq!(replaced(&new, "new\n").unwrap(), new);
        assert!(replaced("no markers", "x").is_none());
    }

    #[test]
    fn every_op_has_a_row_of_five_cells() {
        let table = table(kuramoto::ops::ALL);
        assert_eq!(table.lines().count(), 2 + kuramoto::ops::ALL.len());
        for line in table.lines() {
            assert_eq!(line.replace("\\|", "").matches('|').count(), 6, "{line}");
        }
    }
}
