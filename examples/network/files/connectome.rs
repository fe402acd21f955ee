//! Connectomes: dense matrices of weights and tract lengths, as The Virtual Brain keeps them.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use super::super::graph::{Edge, Network};
use super::text;

/// Endings of the matrices.
const ENDINGS: [&str; 2] = ["txt", "csv"];

/// A folder with `weights.txt`, `tract_lengths.txt` and perhaps `centres.txt`, whose first column names the regions; `.csv`
/// will do.
pub fn folder(path: &Path) -> Result<Network, String> {
    connectome(|stem| {
        for ending in ENDINGS {
            let file = format!("{stem}.{ending}");
            match std::fs::read_to_string(path.join(&file)) {
                Ok(text) => return Ok(Some((file, text))),
                Err(why) if why.kind() == std::io::ErrorKind::NotFound => {}
                Err(why) => return Err(format!("{file}: cannot be read ({why})")),
            }
        }
        Ok(None)
    })
}

/// The same files in a zip archive, perhaps in a folder there.
pub fn archive(path: &Path) -> Result<Network, String> {
    let file = File::open(path).map_err(|why| format!("cannot be read ({why})"))?;
    let mut zip = zip::ZipArchive::new(BufReader::new(file)).map_err(|why| format!("is no zip archive ({why})"))?;
    connectome(|stem| {
        let wanted = ENDINGS.map(|ending| format!("{stem}.{ending}"));
        let is_wanted = |name: &&str| name.rsplit('/').next().is_some_and(|last| wanted.iter().any(|w| w == last));
        let Some(name) = zip.file_names().find(is_wanted).map(str::to_string) else { return Ok(None) };
        let mut text = String::new();
        let read = zip.by_name(&name).map_err(std::io::Error::from).and_then(|mut file| file.read_to_string(&mut text));
        read.map_err(|why| format!("{name}: cannot be read ({why})"))?;
        Ok(Some((name, text)))
    })
}

/// A text and the file that it comes from.
type Found = Option<(String, String)>;

/// An edge where a weight is not 0. Row `i`, column `j` is what region `i` receives from region `j`.
fn connectome(mut find: impl FnMut(&str) -> Result<Found, String>) -> Result<Network, String> {
    let weights = find("weights")?.ok_or("has no weights.txt")?;
    let weights = (weights.0.as_str(), matrix(&weights)?);
    let lengths = find("tract_lengths")?.ok_or("has no tract_lengths.txt")?;
    let (name, lengths) = (lengths.0.as_str(), matrix(&lengths)?);
    let nodes = weights.1.len();
    if lengths.len() != nodes {
        return Err(format!("{name} has {} rows, expected {nodes} as {}", lengths.len(), weights.0));
    }
    let (mut edges, mut tracts) = (vec![], vec![]);
    for (i, row) in weights.1.iter().enumerate() {
        for (j, weight) in row.iter().enumerate().filter(|(_, weight)| **weight != 0.0) {
            let length = lengths[i][j];
            if length < 0.0 {
                return Err(format!(
                    "{name}: row {}, column {} is {length}, expected no negative length",
                    i + 1,
                    j + 1
                ));
            }
            edges.push(Edge { receiver: i, sender: j, weight: *weight });
            tracts.push(length);
        }
    }
    let mut network = Network::from_edges(nodes, &edges)?;
    network.lengths = Some(tracts);
    if let Some((name, text)) = find("centres")? {
        let names: Vec<String> =
            text.lines().filter_map(|line| Some(line.split_whitespace().next()?.to_string())).collect();
        if names.len() != nodes {
            return Err(format!("{name} has {} rows, expected {nodes} as {}", names.len(), weights.0));
        }
        network.names = Some(names);
    }
    Ok(network)
}

/// A square matrix.
fn matrix((name, text): &(String, String)) -> Result<Vec<Vec<f32>>, String> {
    let rows = text::numbers(text).map_err(|why| format!("{name}: {why}"))?;
    match rows.iter().position(|row| row.len() != rows.len()) {
        Some(at) => Err(format!(
            "{name}: row {} has {} columns, expected {} as there are rows",
            at + 1,
            rows[at].len(),
            rows.len()
        )),
        None => Ok(rows),
    }
}
