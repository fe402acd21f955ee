//! Which variant of a kernel runs where a program has measured it: pins that stand above an op's own `choose`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::context::Context;
use super::latch::lock;
use crate::error::{Error, ErrorKind, Result};
use crate::kernel::DType;

/// A pinned variant: `linear f32 64x512 staged`.
///
/// The extents are those that an op names, each rounded up to a power of two; a batch is never among them, since results
/// must not depend on it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Choice {
    /// The op.
    pub op: String,
    /// The storage type, as [`DType`] prints it.
    pub dtype: String,
    /// Powers of two.
    pub bucket: Vec<usize>,
    /// The variant, as conformance and profiles name it.
    pub variant: String,
}

impl Choice {
    /// The choice of `variant` for an op with these extents.
    pub fn new(op: &str, dtype: DType, extents: &[usize], variant: &str) -> Choice {
        Choice { op: op.into(), dtype: dtype.to_string(), bucket: bucket(extents), variant: variant.into() }
    }

    fn key(&self) -> Key {
        (self.op.clone(), self.dtype.clone(), self.bucket.clone())
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bucket: Vec<String> = self.bucket.iter().map(usize::to_string).collect();
        write!(f, "{} {} {} {}", self.op, self.dtype, bucket.join("x"), self.variant)
    }
}

impl FromStr for Choice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Choice> {
        let refuse = || Error::argument(ErrorKind::File, "Choice", "text", text, "`op dtype AxB variant`");
        let words: Vec<&str> = text.split(' ').collect();
        let [op, dtype, bucket, variant] = words.as_slice() else { return Err(refuse()) };
        let bucket: Option<Vec<usize>> = bucket.split('x').map(|extent| extent.parse().ok()).collect();
        let Some(bucket) = bucket.filter(|b| b.iter().all(|extent: &usize| extent.is_power_of_two())) else {
            return Err(refuse());
        };
        Ok(Choice { op: (*op).into(), dtype: (*dtype).into(), bucket, variant: (*variant).into() })
    }
}

fn bucket(extents: &[usize]) -> Vec<usize> {
    extents.iter().map(|extent| extent.checked_next_power_of_two().unwrap_or(1 << (usize::BITS - 1))).collect()
}

type Key = (String, String, Vec<usize>);

/// The pins of a context.
#[derive(Default)]
pub(crate) struct Choices {
    /// Spares every dispatch the lock where nothing is pinned.
    any: AtomicBool,
    pinned: Mutex<BTreeMap<Key, String>>,
}

impl Context {
    /// Pins variants, in place of earlier pins for the same op, type and extents. A variant that an op does not know is not
    /// used. Every pin computes the same within the bounds; bits may differ from those of another.
    pub fn pin(&self, choices: &[Choice]) {
        let mut pinned = lock(&self.0.choices.pinned);
        pinned.extend(choices.iter().map(|choice| (choice.key(), choice.variant.clone())));
        self.0.choices.any.store(!pinned.is_empty(), Ordering::Relaxed);
    }

    /// Takes back all pins.
    pub fn unpin(&self) {
        lock(&self.0.choices.pinned).clear();
        self.0.choices.any.store(false, Ordering::Relaxed);
    }

    /// All pins, sorted.
    pub fn pinned(&self) -> Vec<Choice> {
        let pinned = lock(&self.0.choices.pinned);
        let choice = |((op, dtype, bucket), variant): (&Key, &String)| Choice {
            op: op.clone(),
            dtype: dtype.clone(),
            bucket: bucket.clone(),
            variant: variant.clone(),
        };
        pinned.iter().map(choice).collect()
    }

    /// The variant pinned for an op with these extents.
    pub(crate) fn pinned_variant(&self, op: &str, dtype: DType, extents: &[usize]) -> Option<String> {
        if !self.0.choices.any.load(Ordering::Relaxed) {
            return None;
        }
        lock(&self.0.choices.pinned).get(&(op.to_owned(), dtype.to_string(), bucket(extents))).cloned()
    }
}
