//! This commit beside another one, on the same device.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::timing::Timed;
use crate::failure::{Failure, Result};
use crate::{root, say};

/// What is read of a file; those of earlier versions have nothing more.
#[derive(Deserialize)]
struct File {
    cases: Vec<Timed>,
}

/// A pass that both commits have.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    pub name: String,
    pub pass: &'static str,
    pub base_us: f64,
    pub own_us: f64,
    /// How far apart two medians may lie by chance, as a part of the smaller.
    pub noise: f64,
}

impl Compared {
    /// Above 1 where this commit is faster.
    pub fn ratio(&self) -> f64 {
        self.base_us / self.own_us
    }

    pub fn verdict(&self) -> String {
        let ratio = self.ratio();
        let far = ratio.max(1.0 / ratio) - 1.0;
        match far > self.noise {
            false => "same".to_owned(),
            true if ratio > 1.0 => format!("faster, {ratio:.2}x"),
            true => format!("slower, {:.2}x", 1.0 / ratio),
        }
    }
}

/// A case without a measured spread is given this one.
const UNKNOWN_SPREAD: f64 = 0.05;

/// The passes of `own` that `base` has too.
pub fn compare(base: &[Timed], own: &[Timed]) -> Vec<Compared> {
    let mut all = Vec::new();
    for mine in own {
        let Some(theirs) = base.iter().find(|timed| timed.name() == mine.name()) else { continue };
        let spread = |pass: Option<super::timing::Pass>| pass.map_or(UNKNOWN_SPREAD, |pass| pass.spread);
        let mut add = |pass, base_us: Option<f64>, own_us: Option<f64>, spreads: [f64; 2]| {
            let both = base_us.zip(own_us).filter(|(base, own)| *base > 0.0 && *own > 0.0);
            all.extend(both.map(|(base_us, own_us)| Compared {
                name: mine.name(),
                pass,
                base_us,
                own_us,
                // Twice the half distance of the quartiles on either side; below 3 % no two runs differ reliably.
                noise: (2.0 * (spreads[0] + spreads[1])).max(0.03),
            }));
        };
        let spreads = [spread(theirs.forward), spread(mine.forward)];
        add("forward", Some(theirs.forward_us), Some(mine.forward_us), spreads);
        let spreads = [spread(theirs.backward), spread(mine.backward)];
        add("backward", theirs.backward_us, mine.backward_us, spreads);
    }
    all
}

/// What several rounds say of each pass: the medians, and as noise what one round says or how far apart the rounds lie,
/// whichever is more. Clocks and neighbours change between processes by more than within one.
fn merge(rounds: &[Vec<Compared>]) -> Vec<Compared> {
    let Some(first) = rounds.first() else { return vec![] };
    let merged = first.iter().map(|one| {
        let same = |c: &&Compared| (c.name.as_str(), c.pass) == (one.name.as_str(), one.pass);
        let all: Vec<&Compared> = rounds.iter().flatten().filter(same).collect();
        let side = |get: fn(&Compared) -> f64| {
            let mut times: Vec<f64> = all.iter().map(|c| get(c)).collect();
            times.sort_by(f64::total_cmp);
            let (least, most) = (times[0], times[times.len() - 1]);
            (times[times.len() / 2], (most - least) / least)
        };
        let ((base_us, base_range), (own_us, own_range)) = (side(|c| c.base_us), side(|c| c.own_us));
        let noise = all.iter().map(|c| c.noise).fold(base_range.max(own_range), f64::max);
        Compared { name: one.name.clone(), pass: one.pass, base_us, own_us, noise }
    });
    merged.collect()
}

/// Prints the comparison; a check fails if a pass takes more than `most` times as long.
pub fn print(compared: &[Compared], reference: &str, most: Option<f64>) -> Result {
    if compared.is_empty() {
        return Err(Failure::check(format!("{reference} and this commit have no case in common")));
    }
    say!("");
    say!("{:>12} {:>12} {:>8}  {:<16} against {reference}", "base µs", "here µs", "± %", "verdict");
    for c in compared {
        let noise = 100.0 * c.noise;
        say!("{:>12.1} {:>12.1} {noise:>8.0}  {:<16} {} {}", c.base_us, c.own_us, c.verdict(), c.name, c.pass);
    }
    let slow: Vec<&Compared> = compared.iter().filter(|c| most.is_some_and(|most| 1.0 / c.ratio() > most)).collect();
    match slow.first() {
        None => Ok(()),
        Some(first) => Err(Failure::check(format!(
            "{} of {} passes take more than {} times as long as at {reference}, {} {} among them",
            slow.len(),
            compared.len(),
            most.unwrap_or(1.0),
            first.name,
            first.pass
        ))),
    }
}

/// Rounds in which the two commits take turns.
const ROUNDS: usize = 3;

/// Builds the commit that `reference` names in a folder of its own below `target`, has it and this program profile what
/// `filter` selects on the adapter that is used here, in turns, and compares.
pub fn run(reference: &str, filter: Option<&str>, seconds: f64, adapter: &str) -> Result<Vec<Compared>> {
    let commit = git(&["rev-parse", "--verify", "--quiet", &format!("{reference}^{{commit}}")]).map_err(|_| {
        Failure::usage(format!("--base: `{reference}` is no commit here; name a branch, a tag or a commit"))
    })?;
    let folder = root::target().join("profile-base");
    let (tree, build) = (folder.join("tree"), folder.join("build"));
    let result = build_tree(&commit, &folder, &tree, &build).and_then(|()| {
        let own = std::env::current_exe().map_err(|why| Failure::check(format!("this program: {why}")))?;
        let mut rounds = Vec::new();
        for round in 1..=ROUNDS {
            eprintln!("round {round} of {ROUNDS}");
            let theirs = profile(&program(&build), &tree, &folder.join("base.json"), filter, adapter, &[])?;
            // Earlier commits do not know --seconds; their five repeats are what they are.
            let flags = ["--as-built".to_owned(), "--seconds".to_owned(), seconds.to_string()];
            let ours = profile(&own, &root::root(), &folder.join("own.json"), filter, adapter, &flags)?;
            rounds.push(compare(&theirs, &ours));
        }
        Ok(merge(&rounds))
    });
    // The build stays, so that the next comparison is quick; the tree would stay listed among the worktrees.
    let _ = git(&["worktree", "remove", "--force", &tree.display().to_string()]);
    result.map_err(|failure| failure.about(format!("--base {reference}")))
}

fn build_tree(commit: &str, folder: &Path, tree: &Path, build: &Path) -> Result {
    // One that an interrupted run left behind.
    let _ = git(&["worktree", "remove", "--force", &tree.display().to_string()]);
    crate::output::make_folder(folder)?;
    git(&["worktree", "add", "--detach", &tree.display().to_string(), commit])?;
    eprintln!("building {} with optimisations; the first time takes minutes", &commit[..commit.len().min(10)]);
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--quiet", "--release", "--package", "xtask", "--target-dir"]).arg(build).current_dir(tree);
    // What cargo told this program about its own package is not about that one.
    cargo.env_remove("CARGO_MANIFEST_DIR");
    succeed(&mut cargo, "building it")
}

fn profile(
    program: &Path,
    tree: &Path,
    json: &Path,
    filter: Option<&str>,
    adapter: &str,
    flags: &[String],
) -> Result<Vec<Timed>> {
    let mut profile = Command::new(program);
    profile.args(["profile", "--adapter", adapter, "--json"]).arg(json).args(flags).current_dir(tree);
    profile.args(filter.iter().flat_map(|filter| ["--filter", filter])).env_remove("CARGO_MANIFEST_DIR");
    succeed(&mut profile, "profiling")?;
    let text = crate::output::read_text(json)?;
    let file: File = serde_json::from_str(&text)
        .map_err(|why| Failure::check(format!("its profile writes no such JSON ({why}); choose a later commit")))?;
    Ok(file.cases)
}

fn program(build: &Path) -> PathBuf {
    build.join("release").join(format!("xtask{}", std::env::consts::EXE_SUFFIX))
}

fn succeed(command: &mut Command, doing: &str) -> Result {
    match command.stdout(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::check(format!("{doing} failed ({status})"))),
        Err(why) => Err(Failure::check(format!("{doing}: {why}"))),
    }
}

fn git(arguments: &[&str]) -> Result<String> {
    let output = Command::new("git").args(arguments).current_dir(root::root()).output();
    match output {
        Ok(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        Ok(output) => Err(Failure::check(format!("git: {}", String::from_utf8_lossy(&output.stderr).trim()))),
        Err(why) => Err(Failure::check(format!("git cannot be run: {why}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::timed;
    use super::*;

    #[test]
    fn a_difference_counts_beyond_the_spread_of_both() {
        let compared = |base_us, own_us, noise| Compared { name: "a".into(), pass: "forward", base_us, own_us, noise };
        assert_eq!(compared(100.0, 104.0, 0.05).verdict(), "same");
        assert_eq!(compared(130.0, 100.0, 0.05).verdict(), "faster, 1.30x");
        assert_eq!(compared(100.0, 130.0, 0.05).verdict(), "slower, 1.30x");
    }

    #[test]
    fn rounds_that_differ_make_noise() {
        let round = |base_us, own_us| vec![Compared { name: "a".into(), pass: "forward", base_us, own_us, noise: 0.1 }];
        let merged = merge(&[round(100.0, 150.0), round(160.0, 100.0), round(110.0, 110.0)]);
        assert_eq!((merged[0].base_us, merged[0].own_us), (110.0, 110.0));
        assert!((merged[0].noise - 0.6).abs() < 1e-12);
        assert_eq!(merge(&[round(200.0, 100.0), round(202.0, 101.0)])[0].verdict(), "faster, 2.00x");
        assert!(merge(&[]).is_empty());
    }

    #[test]
    fn cases_are_matched_by_name_and_slow_ones_fail() {
        let own = vec![timed("scale", 100.0, 300.0), timed("new", 1.0, 1.0)];
        let base = vec![timed("gone", 1.0, 1.0), timed("scale", 100.0, 100.0)];
        let compared = compare(&base, &own);
        assert_eq!(compared.iter().map(|c| c.pass).collect::<Vec<_>>(), ["forward", "backward"]);
        assert_eq!(compared[1].verdict(), "slower, 3.00x");
        assert!(print(&compared, "main", None).is_ok());
        assert!(print(&compared, "main", Some(4.0)).is_ok());
        let failure = print(&compared, "main", Some(2.0)).unwrap_err();
        assert!(failure.message().unwrap().contains("1 of 2 passes"), "{failure:?}");
        assert!(print(&[], "main", None).is_err());
    }

    #[test]
    fn files_of_earlier_versions_are_read() {
        let text = r#"{"device": "d", "cases": [{"op": "scale", "variant": "plain", "dtype": "f32", "case": "[2]",
            "forward_us": 5.0, "backward_us": null}]}"#;
        let file: File = serde_json::from_str(text).unwrap();
        let mut own = file.cases[0].clone();
        own.forward_us = 4.0;
        let compared = compare(&file.cases, &[own]);
        assert_eq!((compared.len(), compared[0].noise), (1, 0.2));
    }
}
