//! What a run of the conformance suite found.

use crate::kernel::DType;

/// What to run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Only rows whose `op/variant/dtype/case` matches; `*` stands for any run of characters.
    pub filter: Option<String>,
    /// The large cases of the benches too.
    pub full: bool,
}

impl Options {
    #[cfg(any(feature = "gpu", test))]
    pub(super) fn selects(&self, name: &str) -> bool {
        self.filter.as_deref().is_none_or(|pattern| matches(pattern.as_bytes(), name.as_bytes()))
    }
}

/// Whether `name` matches a pattern in which `*` stands for any run.
#[cfg(any(feature = "gpu", test))]
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => (0..=name.len()).any(|skip| matches(rest, &name[skip..])),
        Some((c, rest)) => name.first() == Some(c) && matches(rest, &name[1..]),
    }
}

/// Told before each case.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// Cases done.
    pub done: usize,
    /// Cases selected.
    pub total: usize,
    /// The case that comes now.
    pub label: &'a str,
}

/// How a row ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Within the bound.
    Pass,
    /// Not.
    Fail,
    /// Not run, for the reason given.
    Skip,
}

/// One gate of one case.
#[derive(Clone, Debug)]
pub struct Row {
    /// The op's stem.
    pub op: &'static str,
    /// Which implementation.
    pub variant: &'static str,
    /// Storage type.
    pub dtype: DType,
    /// The case.
    pub case: String,
    /// What was compared.
    pub what: String,
    /// How it ended.
    pub outcome: Outcome,
    /// The largest error divided by what is allowed, hard tier.
    pub ratio: f64,
    /// The same in the calibrated tier.
    pub calibrated: f64,
    /// Why it failed or was skipped.
    pub reason: String,
}

/// All rows of a run.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The adapter's name.
    pub adapter: String,
    /// Its driver and the driver's version.
    pub driver: String,
    /// One per gate and case.
    pub rows: Vec<Row>,
}

impl Report {
    fn count(&self, outcome: Outcome) -> usize {
        self.rows.iter().filter(|row| row.outcome == outcome).count()
    }

    /// Rows that passed.
    pub fn passed(&self) -> usize {
        self.count(Outcome::Pass)
    }

    /// Rows that failed.
    pub fn failed(&self) -> usize {
        self.count(Outcome::Fail)
    }

    /// Rows that were not run; each says why.
    pub fn skipped(&self) -> usize {
        self.count(Outcome::Skip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        let options = |filter: &str| Options { filter: Some(filter.into()), ..Default::default() };
        assert!(options("sphere_*").selects("sphere_step/plain/f32/[1]"));
        assert!(options("*/f16/*").selects("sphere_step/plain/f16/[1]"));
        assert!(!options("sphere").selects("sphere_step/plain/f32/[1]"));
        assert!(Options::default().selects("anything"));
    }
}
