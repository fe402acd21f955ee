//! Files of networks, read by their endings.

mod connectome;
mod npz;
mod text;

pub use npz::{Results, write, write_grid, write_results, write_series};

use std::path::Path;

use super::graph::Network;

/// Endings and what they are, for help texts and messages.
pub const KINDS: &str = "edges of 2 or 3 columns (.txt, .edges, .edgelist, .csv, .tsv), Matrix Market (.mtx), CSR arrays \
                         of SciPy (.npz), a connectome (a folder or .zip with weights.txt and tract_lengths.txt)";

/// How an edge list names the ends of an edge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// `a b`: `a` sends and `b` listens.
    Directed,
    /// `a b`: each listens to the other.
    Undirected,
}

/// Reads the network of a file or folder. `direction` is that of edge lists; the other kinds say it themselves: row `i`,
/// column `j` of a matrix is the weight with which `i` listens to `j`.
///
/// # Errors
/// In words: the file, the line or row, the position and what is wrong there.
pub fn read(path: &Path, direction: Direction) -> Result<Network, String> {
    let at = |why: String| format!("{}: {why}", path.display());
    if path.is_dir() {
        return connectome::folder(path).map_err(at);
    }
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    let text = || std::fs::read_to_string(path).map_err(|why| format!("cannot be read ({why})"));
    match ending.as_str() {
        "txt" | "edges" | "edgelist" | "csv" | "tsv" => text().and_then(|text| text::edge_list(&text, direction)),
        "mtx" => text().and_then(|text| text::matrix_market(&text)),
        "npz" => npz::read(path),
        "zip" => connectome::archive(path),
        _ => Err(format!("this ending is not known; read are {KINDS}")),
    }
    .map_err(at)
}

/// One number per node, in the order of the nodes, from the columns of a text: natural frequencies, communities.
///
/// # Errors
/// As [`read`]; for another count than `nodes`.
pub fn values(path: &Path, nodes: usize) -> Result<Vec<f32>, String> {
    let at = |why: String| format!("{}: {why}", path.display());
    let text = std::fs::read_to_string(path).map_err(|why| at(format!("cannot be read ({why})")))?;
    let values: Vec<f32> = text::numbers(&text).map_err(at)?.into_iter().flatten().collect();
    match values.len() == nodes {
        true => Ok(values),
        false => Err(at(format!("has {} numbers for {nodes} nodes", values.len()))),
    }
}
