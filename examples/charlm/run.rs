//! A run: what it is made with, what is kept of it, and how it goes on.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use kuramoto::model::Snapshot;
use kuramoto::weights::Weights;
use serde::{Deserialize, Serialize};

use crate::network::{Kind, Size};

/// Where a checkpoint describes its run.
const RUN: &str = "kuramoto.charlm.run";

/// What a run is made with. Two runs with equal settings are equal bit for bit on the same adapter.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Settings {
    pub kind: Kind,
    pub size: Size,
    pub context: usize,
    pub batch: usize,
    pub steps: usize,
    pub rate: f64,
    pub seed: u64,
    /// The symbols, in order.
    pub symbols: Vec<char>,
    /// Characters of the text: another text is another run.
    pub characters: usize,
}

/// A point of the learning curve.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Point {
    pub step: usize,
    /// Mean bits a character of the batches since the point before.
    pub train: f64,
    /// Bits a character of what is held out.
    pub held_out: f64,
}

/// What a checkpoint holds beside the trainer's state.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Record {
    pub settings: Settings,
    pub curve: Vec<Point>,
    /// Seconds of training.
    pub seconds: f64,
}

/// The checkpoint of a network in the folder of runs.
pub fn path(out: &Path, kind: Kind) -> PathBuf {
    out.join(format!("{}.safetensors", kind.name()))
}

/// Writes a checkpoint; until it is whole, the one before stays.
pub fn save(path: &Path, state: &Snapshot, record: &Record) -> Result<(), Box<dyn Error>> {
    let mut weights = state.save()?;
    weights.metadata.insert(RUN.into(), serde_json::to_string(record)?);
    let new = path.with_extension("new");
    weights.write(&new)?;
    fs::rename(&new, path).map_err(|why| format!("{}: {why}", path.display()).into())
}

/// What [`save`] wrote.
pub fn load(path: &Path) -> Result<(Snapshot, Record), Box<dyn Error>> {
    let weights = Weights::read(path)?;
    let Some(record) = weights.metadata.get(RUN) else {
        return Err(
            format!("{}: the metadata has no `{RUN}`; it is no checkpoint of this program", path.display()).into()
        );
    };
    let record = serde_json::from_str(record).map_err(|why| format!("{}: {RUN}: {why}", path.display()))?;
    Ok((Snapshot::load(&weights)?, record))
}
