//! Generated networks. Rings, lattices and small worlds are written here, since they have to be made by the million; the
//! random graphs come from `rustworkx-core`.

use kuramoto::Graph;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use rustworkx_core::generators::{barabasi_albert_graph, gnp_random_graph, sbm_random_graph};
use rustworkx_core::petgraph::graph::UnGraph;

use super::graph::Network;

/// A kind of network; all are undirected, with weights of 1.
#[derive(Clone, PartialEq, Debug)]
pub enum Kind {
    /// Each node with its `neighbours / 2` next ones on either side.
    Ring { nodes: usize, neighbours: usize },
    /// Each node with the next ones of its row and its column; `periodic` closes both.
    Lattice { rows: usize, columns: usize, periodic: bool },
    /// Each pair with probability `probability`.
    ErdosRenyi { nodes: usize, probability: f64 },
    /// A ring of which each edge's far end is drawn anew with probability `rewire`.
    WattsStrogatz { nodes: usize, neighbours: usize, rewire: f64 },
    /// New nodes choose `attach` others by their degrees.
    BarabasiAlbert { nodes: usize, attach: usize },
    /// Communities of equal size: pairs within one with probability `inside`, others with `between`. Every pair is drawn.
    Blocks { nodes: usize, blocks: usize, inside: f64, between: f64 },
    /// Each node with all others.
    Complete { nodes: usize },
}

/// Nodes above which a drawing of every pair is refused.
const PAIRS: usize = 30_000;

/// Makes a network; the same seed gives the same one.
///
/// # Errors
/// In words, for numbers that the kind cannot have.
pub fn make(kind: &Kind, seed: u64) -> Result<Network, String> {
    match *kind {
        Kind::Ring { nodes, neighbours } => csr(&ring(nodes, neighbours)?),
        Kind::Lattice { rows, columns, periodic } => lattice(rows, columns, periodic),
        Kind::ErdosRenyi { nodes, probability } => {
            at_least(nodes, 1, "Erdos-Renyi graph")?;
            fraction(probability, "--probability")?;
            drawn(gnp_random_graph(nodes, probability, Some(seed), || (), || ()))
        }
        Kind::WattsStrogatz { nodes, neighbours, rewire } => {
            fraction(rewire, "--rewire")?;
            let mut rows = ring(nodes, neighbours)?;
            rewired(&mut rows, neighbours, rewire, seed)?;
            csr(&rows)
        }
        Kind::BarabasiAlbert { nodes, attach } => {
            if attach == 0 || attach >= nodes {
                return Err(format!(
                    "--attach is {attach}, expected 1 to {}, fewer than the nodes",
                    nodes.saturating_sub(1)
                ));
            }
            drawn(barabasi_albert_graph(nodes, attach, Some(seed), None, || (), || ()))
        }
        Kind::Blocks { nodes, blocks, inside, between } => {
            fraction(inside, "--inside")?;
            fraction(between, "--between")?;
            few(nodes, "a block model")?;
            if blocks == 0 || blocks > nodes {
                return Err(format!("--blocks is {blocks}, expected 1 to {nodes}, the number of nodes"));
            }
            let sizes: Vec<usize> = (0..blocks).map(|b| (b + 1) * nodes / blocks - b * nodes / blocks).collect();
            let chances =
                ndarray::Array2::from_shape_fn((blocks, blocks), |(a, b)| if a == b { inside } else { between });
            drawn(sbm_random_graph(&sizes, &chances.view(), false, Some(seed), || (), || ()))
        }
        Kind::Complete { nodes } => {
            few(nodes, "a complete graph")?;
            csr(&(0..nodes).map(|i| (0..nodes).filter(|j| *j != i).map(|j| j as u32).collect()).collect::<Vec<_>>())
        }
    }
}

/// `[N]`: the community of each node of a block model.
pub fn communities(nodes: usize, blocks: usize) -> Vec<usize> {
    (0..blocks).flat_map(|b| std::iter::repeat_n(b, (b + 1) * nodes / blocks - b * nodes / blocks)).collect()
}

fn at_least(nodes: usize, least: usize, what: &str) -> Result<(), String> {
    match nodes < least {
        true => Err(format!("--nodes is {nodes}, expected at least {least} for this {what}")),
        false => Ok(()),
    }
}

fn few(nodes: usize, what: &str) -> Result<(), String> {
    at_least(nodes, 1, "graph")?;
    match nodes > PAIRS {
        true => Err(format!("--nodes is {nodes}, expected at most {PAIRS}: {what} looks at every pair")),
        false => Ok(()),
    }
}

fn fraction(value: f64, flag: &str) -> Result<(), String> {
    match (0.0..=1.0).contains(&value) {
        true => Ok(()),
        false => Err(format!("{flag} is {value}, expected 0 to 1")),
    }
}

/// The neighbours of each node, unsorted.
type Rows = Vec<Vec<u32>>;

/// A network of rows without equal entries.
fn csr(rows: &[Vec<u32>]) -> Result<Network, String> {
    let mut indptr = Vec::with_capacity(rows.len() + 1);
    indptr.push(0);
    let mut indices: Vec<usize> = Vec::with_capacity(rows.iter().map(Vec::len).sum());
    for row in rows {
        let start = indices.len();
        indices.extend(row.iter().map(|j| *j as usize));
        indices[start..].sort_unstable();
        indptr.push(indices.len());
    }
    let graph = Graph::new(&indptr, &indices).map_err(|why| why.to_string())?;
    let weights = vec![1.0; graph.edge_count()];
    Ok(Network::new(graph, weights))
}

fn ring(nodes: usize, neighbours: usize) -> Result<Rows, String> {
    at_least(nodes, 1, "ring")?;
    if u32::try_from(nodes).is_err() {
        return Err(format!("--nodes is {nodes}, expected fewer than 2^32"));
    }
    if !neighbours.is_multiple_of(2) || neighbours >= nodes {
        return Err(format!(
            "--neighbours is {neighbours}, expected an even number below {nodes}, the number of nodes"
        ));
    }
    let half = neighbours / 2;
    // Those before a node first: edge `k` to the right of `i` is entry `half + k - 1` of its row.
    let row = |i: usize| {
        let before = (1..=half).map(|k| ((i + nodes - k) % nodes) as u32);
        let after = (1..=half).map(|k| ((i + k) % nodes) as u32);
        before.chain(after).collect()
    };
    Ok((0..nodes).map(row).collect())
}

/// Moves far ends as Watts and Strogatz (Nature 393, 1998) do: lap by lap, the edge to the `k`-th next node gets, with
/// probability `rewire`, another end among those that the node has no edge to.
fn rewired(rows: &mut Rows, neighbours: usize, rewire: f64, seed: u64) -> Result<(), String> {
    let nodes = rows.len();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for k in 1..=neighbours / 2 {
        for i in 0..nodes {
            let old = ((i + k) % nodes) as u32;
            // A node with all others has no other end to offer.
            if !rng.random_bool(rewire) || rows[i].len() == nodes - 1 {
                continue;
            }
            let new = loop {
                let new = rng.random_range(0..nodes as u32);
                if new as usize != i && !rows[i].contains(&new) {
                    break new;
                }
            };
            let missing = || format!("the edge from {i} to {old} has been lost");
            let at = rows[i].iter().position(|j| *j == old).ok_or_else(missing)?;
            rows[i][at] = new;
            let back = rows[old as usize].iter().position(|j| *j as usize == i).ok_or_else(missing)?;
            rows[old as usize].swap_remove(back);
            rows[new as usize].push(i as u32);
        }
    }
    Ok(())
}

fn lattice(rows: usize, columns: usize, periodic: bool) -> Result<Network, String> {
    let nodes = rows.checked_mul(columns).filter(|nodes| *nodes > 0 && u32::try_from(*nodes).is_ok());
    let nodes = nodes.ok_or_else(|| format!("a lattice of {rows} x {columns} nodes has none, or more than 2^32"))?;
    let step = |at: usize, size: usize| {
        let before = if at > 0 { Some(at - 1) } else { periodic.then_some(size - 1) };
        let after = if at + 1 < size { Some(at + 1) } else { periodic.then_some(0) };
        // On two places both sides are the same node, on one the node itself.
        [before, after.filter(|after| Some(*after) != before)].into_iter().flatten().filter(move |to| *to != at)
    };
    let row = |i: usize| {
        let (y, x) = (i / columns, i % columns);
        let up = step(y, rows).map(|y| (y * columns + x) as u32);
        up.chain(step(x, columns).map(|x| (y * columns + x) as u32)).collect()
    };
    csr(&(0..nodes).map(row).collect::<Vec<_>>())
}

/// What `rustworkx-core` has drawn, each edge in both directions.
fn drawn<E>(graph: Result<UnGraph<(), ()>, E>) -> Result<Network, String> {
    // It says nothing of its errors; what it refuses has been refused before.
    let graph = graph.map_err(|_| "the generator refuses these numbers")?;
    let mut rows = vec![vec![]; graph.node_count()];
    for edge in graph.raw_edges() {
        let (a, b) = (edge.source().index(), edge.target().index());
        rows[a].push(b as u32);
        rows[b].push(a as u32);
    }
    csr(&rows)
}
