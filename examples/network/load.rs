//! The network that the arguments name.

use super::arguments::{Make, Shape, Source};
use super::files::{self, Direction};
use super::graph::Network;
use super::make::{self, Kind};
use super::sets::Set;

/// The network, what it is called, and a line where it is not the one that was asked for.
pub struct Loaded {
    pub network: Network,
    pub name: String,
    pub note: Option<String>,
}

/// Reads or makes a network. For a set that was not fetched there is a generated stand-in and a note that says so.
///
/// # Errors
/// In words, as [`files::read`] and [`make::make`].
pub fn load(source: &Source, seed: u64) -> Result<Loaded, String> {
    let mut loaded = found(source, seed)?;
    if source.normalise {
        normalise(&mut loaded.network);
    }
    if let Some(note) = &loaded.note {
        eprintln!("{note}");
    }
    Ok(loaded)
}

/// The community of each node of a generated block model.
pub fn communities(source: &Source) -> Option<Vec<usize>> {
    (source.make == Some(Make::Blocks)).then(|| make::communities(source.shape.nodes, source.shape.blocks))
}

/// Divides each row by the sum of its magnitudes.
fn normalise(network: &mut Network) {
    for row in network.graph.indptr().windows(2) {
        let row = row[0] as usize..row[1] as usize;
        let sum: f32 = network.weights[row.clone()].iter().map(|w| w.abs()).sum();
        if sum > 0.0 {
            network.weights[row].iter_mut().for_each(|w| *w /= sum);
        }
    }
}

fn found(source: &Source, seed: u64) -> Result<Loaded, String> {
    let plain = |network: Network, name: String| Ok(Loaded { network, name, note: None });
    match (&source.graph, source.make, source.data) {
        (Some(path), _, _) => {
            let direction = if source.undirected { Direction::Undirected } else { Direction::Directed };
            let name =
                path.file_stem().map_or_else(|| path.display().to_string(), |stem| stem.to_string_lossy().into());
            plain(files::read(path, direction)?, name)
        }
        (_, Some(kind), _) => {
            let kind = source.shape.kind(kind);
            plain(make::make(&kind, seed)?, source.shape.name(&kind))
        }
        (_, _, Some(set)) => {
            let path = set.file()?;
            if path.is_file() {
                return plain(files::read(&path, Direction::Directed)?, set.name().into());
            }
            let note = format!(
                "{} is not there: this is a generated stand-in; `{}` fetches it",
                path.display(),
                set.command()
            );
            Ok(Loaded { network: stand_in(set, seed)?, name: format!("stand-in for {}", set.name()), note: Some(note) })
        }
        _ => Err("no network: give a file, --make or --data".into()),
    }
}

impl Shape {
    /// The kind with its numbers.
    pub fn kind(&self, kind: Make) -> Kind {
        let Shape { nodes, neighbours, rows, columns, periodic, .. } = *self;
        match kind {
            Make::Ring => Kind::Ring { nodes, neighbours },
            Make::Lattice => Kind::Lattice { rows, columns, periodic },
            Make::ErdosRenyi => Kind::ErdosRenyi { nodes, probability: self.probability },
            Make::WattsStrogatz => Kind::WattsStrogatz { nodes, neighbours, rewire: self.rewire },
            Make::BarabasiAlbert => Kind::BarabasiAlbert { nodes, attach: self.attach },
            Make::Blocks => Kind::Blocks { nodes, blocks: self.blocks, inside: self.inside, between: self.between },
            Make::Complete => Kind::Complete { nodes },
        }
    }

    fn name(&self, kind: &Kind) -> String {
        match kind {
            Kind::Ring { nodes, neighbours } => format!("ring, {nodes} nodes, {neighbours} neighbours"),
            Kind::Lattice { rows, columns, .. } => format!("lattice, {rows} x {columns} nodes"),
            Kind::ErdosRenyi { nodes, probability } => format!("Erdős–Rényi, {nodes} nodes, p = {probability}"),
            Kind::WattsStrogatz { nodes, rewire, .. } => format!("Watts–Strogatz, {nodes} nodes, p = {rewire}"),
            Kind::BarabasiAlbert { nodes, attach } => format!("Barabási–Albert, {nodes} nodes, m = {attach}"),
            Kind::Blocks { nodes, blocks, .. } => format!("block model, {nodes} nodes, {blocks} blocks"),
            Kind::Complete { nodes } => format!("complete, {nodes} nodes"),
        }
    }
}

/// A network of the size and kind of a set, with what such a set tells of its nodes and edges.
pub fn stand_in(set: Set, seed: u64) -> Result<Network, String> {
    match set {
        Set::Grid9241 => {
            // Buses that feed in and buses that draw as much, in turns, near the load of a line each.
            let nodes = 9240;
            let mut network = make::make(&Kind::WattsStrogatz { nodes, neighbours: 4, rewire: 0.1 }, seed)?;
            network.power = Some((0..nodes).map(|i| if i % 2 == 0 { 0.2 } else { -0.2 }).collect());
            network.generators = Some((0..nodes).map(|i| i % 2 == 0).collect());
            Ok(network)
        }
        Set::Connectome192 => {
            let nodes = 192;
            let mut network = make::make(&Kind::WattsStrogatz { nodes, neighbours: 18, rewire: 0.2 }, seed)?;
            // Regions on a circle of 142 mm across, the longest tract of the set.
            let chord =
                |(i, j): (usize, usize)| 142.0 * (std::f32::consts::PI * i.abs_diff(j) as f32 / nodes as f32).sin();
            network.lengths = Some(network.graph.edges().map(chord).collect());
            Ok(network)
        }
        Set::Celegans => make::make(&Kind::BarabasiAlbert { nodes: 448, attach: 7 }, seed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stand_ins_have_what_their_sets_have() {
        let grid = stand_in(Set::Grid9241, 1).unwrap();
        assert!(grid.power.unwrap().iter().sum::<f32>().abs() < 1e-3 && grid.generators.is_some());
        let brain = stand_in(Set::Connectome192, 1).unwrap();
        assert!(brain.lengths.unwrap().iter().all(|length| *length > 0.0 && *length <= 142.0));
        assert_eq!(stand_in(Set::Celegans, 1).unwrap().graph.nodes(), 448);
    }
}
