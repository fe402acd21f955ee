//! A run on disk: what training keeps, in parts small enough to be carried anywhere, and the weights for use.

use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use kuramoto::model::{Parameters, Snapshot};
use kuramoto::weights::{Stored, StoredType, Weights};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::network::{Network, Options};

/// No part of a checkpoint is larger than this, header included.
pub const PART: usize = 15 << 20;

/// What a part's header takes at most, beside the tensors.
const HEAD: usize = 1 << 16;

/// Names that run.json and files of weights carry; others are refused.
const VERSION: u32 = 1;

/// Where a file of weights describes its network.
const OPTIONS: &str = "kuramoto.sudoku.options";

/// Separates the name of a tensor from the first of the rows that follow, where a tensor is cut.
const ROWS: char = '@';

/// A folder with a checkpoint in it: `checkpoint`, or for the moment of a swap `checkpoint.old`.
pub fn find(run: &Path) -> Option<PathBuf> {
    let at = |name: &str| Some(run.join(name)).filter(|folder| folder.join("run.json").is_file());
    at("checkpoint").or_else(|| at("checkpoint.old"))
}

/// Writes a checkpoint of `state`, with `run` beside it, into the folder `out`. Until it is whole, the one before stays.
pub fn save(out: &Path, state: &Snapshot, run: &impl Serialize) -> Result<(), Box<dyn Error>> {
    let (new, now, old) = (out.join("checkpoint.new"), out.join("checkpoint"), out.join("checkpoint.old"));
    remove(&new)?;
    fs::create_dir_all(&new)?;
    let parts = split(&state.save()?, PART - HEAD)?;
    for (at, part) in parts.iter().enumerate() {
        part.write(new.join(format!("part-{at:03}.safetensors")))?;
    }
    let text = serde_json::json!({ "version": VERSION, "parts": parts.len(), "run": run });
    let mut file = fs::File::create(new.join("run.json"))?;
    file.write_all((serde_json::to_string_pretty(&text)? + "\n").as_bytes())?;
    file.sync_all()?;
    if now.exists() {
        remove(&old)?;
        fs::rename(&now, &old)?;
    }
    fs::rename(&new, &now)?;
    remove(&old)
}

/// Makes the folder of a run and removes what an earlier run left in it.
pub fn clear(out: &Path) -> Result<(), Box<dyn Error>> {
    ["checkpoint.new", "checkpoint", "checkpoint.old"].iter().try_for_each(|name| remove(&out.join(name)))?;
    fs::create_dir_all(out).map_err(|why| format!("{}: {why}", out.display()).into())
}

fn remove(folder: &Path) -> Result<(), Box<dyn Error>> {
    match fs::remove_dir_all(folder) {
        Err(why) if why.kind() != std::io::ErrorKind::NotFound => Err(format!("{}: {why}", folder.display()).into()),
        _ => Ok(()),
    }
}

/// What [`save`] wrote into this folder, the one of the checkpoint itself.
///
/// # Errors
/// For a part that is missing or damaged, and for another version.
pub fn read<R: DeserializeOwned>(folder: &Path) -> Result<(Snapshot, R), Box<dyn Error>> {
    let path = folder.join("run.json");
    let cannot = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let text = fs::read_to_string(&path).map_err(|why| cannot(&why))?;
    let mut head: serde_json::Value = serde_json::from_str(&text).map_err(|why| cannot(&why))?;
    if head["version"] != VERSION {
        let why = format!("version {} of checkpoints; this program reads version {VERSION}", head["version"]);
        return Err(cannot(&why).into());
    }
    let run = serde_json::from_value(head["run"].take()).map_err(|why| cannot(&why))?;
    let parts = head["parts"].as_u64().ok_or_else(|| cannot(&"the number of parts is missing"))?;
    let parts = (0..parts).map(|at| Weights::read(folder.join(format!("part-{at:03}.safetensors"))));
    Ok((Snapshot::load(&join(parts.collect::<Result<Vec<_>, _>>()?)?)?, run))
}

/// The same tensors in files of at most `most` bytes of elements each; a tensor that is larger is cut between rows.
fn split(weights: &Weights, most: usize) -> Result<Vec<Weights>, Box<dyn Error>> {
    let empty = || {
        let mut part = Weights::new();
        part.metadata = weights.metadata.clone();
        part
    };
    let mut parts = vec![empty()];
    let mut room = most;
    for (name, stored) in weights.iter() {
        let bytes = stored.bytes();
        let rows = stored.shape().first().copied().unwrap_or(1).max(1);
        let row = bytes.len() / rows;
        let at_once = if bytes.len() <= most { rows } else { (most / row.max(1)).max(1) };
        for first in (0..rows).step_by(at_once) {
            let count = at_once.min(rows - first);
            let (name, piece) = if count == rows {
                (name.to_owned(), stored.clone())
            } else {
                let mut shape = stored.shape().to_vec();
                shape[0] = count;
                let bytes = bytes[first * row..(first + count) * row].to_vec();
                (format!("{name}{ROWS}{first:09}"), Stored::from_bytes(stored.dtype(), bytes, &shape)?)
            };
            if piece.bytes().len() > room {
                parts.push(empty());
                room = most;
            }
            room = room.saturating_sub(piece.bytes().len());
            if let Some(part) = parts.last_mut() {
                part.insert(name, piece)?;
            }
        }
    }
    Ok(parts)
}

/// What [`split`] cut.
fn join(parts: Vec<Weights>) -> Result<Weights, Box<dyn Error>> {
    let mut whole = Weights::new();
    let mut cut: std::collections::BTreeMap<String, Vec<Stored>> = Default::default();
    for part in &parts {
        whole.metadata = part.metadata.clone();
        // Pieces come in order: parts in theirs, names within a part in that of their first rows.
        for (name, stored) in part.iter() {
            match name.split_once(ROWS) {
                Some((name, _)) => cut.entry(name.to_owned()).or_default().push(stored.clone()),
                None => whole.insert(name, stored.clone())?,
            }
        }
    }
    for (name, pieces) in cut {
        let mut shape = pieces[0].shape().to_vec();
        shape[0] = pieces.iter().map(|piece| piece.shape()[0]).sum();
        let bytes: Vec<u8> = pieces.iter().flat_map(|piece| piece.bytes().iter().copied()).collect();
        whole.insert(name, Stored::from_bytes(pieces[0].dtype(), bytes, &shape)?)?;
    }
    Ok(whole)
}

/// Writes weights for use, in f16, with the description of their network.
pub fn export(path: &Path, options: &Options, parameters: &Parameters) -> Result<(), Box<dyn Error>> {
    let mut weights = parameters.save()?.cast(StoredType::F16)?;
    weights.metadata.insert(OPTIONS.into(), serde_json::to_string(options)?);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    Ok(weights.write(path)?)
}

/// The network and its weights: of a file that [`export`] wrote, of a folder that `sudoku train` wrote such a file into,
/// or of a checkpoint, whose moving average is taken if there is one.
///
/// # Errors
/// For a file that is missing, is no file of weights, or does not say which network it is of.
pub fn load(path: &Path) -> Result<(Network, Options, Parameters), Box<dyn Error>> {
    if path.join("run.json").is_file() {
        let (state, run): (Snapshot, Described) = read(path)?;
        let network = Network::new(&run.settings.network)?;
        let mut parameters = network.parameters(0)?;
        state.parameters(state.is_averaged(), &mut parameters)?;
        return Ok((network, run.settings.network, parameters));
    }
    let path = if path.is_dir() { path.join("weights.safetensors") } else { path.to_owned() };
    let weights = Weights::read(&path)?;
    let Some(options) = weights.metadata.get(OPTIONS) else {
        let why = format!("the metadata has no `{OPTIONS}`; give a file that `sudoku train` has written");
        return Err(format!("{}: {why}", path.display()).into());
    };
    let options: Options =
        serde_json::from_str(options).map_err(|why| format!("{}: {OPTIONS}: {why}", path.display()))?;
    let network = Network::new(&options)?;
    let mut parameters = network.parameters(0)?;
    parameters.load(&weights)?;
    Ok((network, options, parameters))
}

/// The part of a run's description that says which network it trains.
#[derive(Deserialize)]
struct Described {
    settings: Networked,
}

#[derive(Deserialize)]
struct Networked {
    network: Options,
}
