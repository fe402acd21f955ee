//! The structure of a sparse coupling: which node listens to which.

use std::fmt;
use std::sync::Arc;
#[cfg(feature = "gpu")]
use std::sync::Mutex;

use super::layout::longest_row;
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Context, Tensor};

/// A directed graph in compressed sparse rows: row `i` lists, in increasing order, the nodes that node `i` receives from.
/// Edges are numbered row by row; that is the order of a coupling's weights.
///
/// Cheap to clone; clones share the structure and its copies on devices, which are made at first use.
#[derive(Clone)]
pub struct Graph(Arc<Inner>);

struct Inner {
    structure: Structure,
    #[cfg(feature = "gpu")]
    devices: Mutex<Vec<Uploaded>>,
}

/// Both directions of a graph; the references need one.
#[cfg_attr(not(feature = "gpu"), allow(dead_code))]
struct Structure {
    /// `[N + 1]`: the edges of row `i` are `indptr[i] .. indptr[i + 1]`.
    indptr: Vec<u32>,
    /// `[nnz]`: the sender of each edge.
    indices: Vec<u32>,
    /// `[nnz]`: the receiver of each edge.
    receivers: Vec<u32>,
    /// `[N + 1]`: the edges out of node `j` are entries `indptr_t[j] .. indptr_t[j + 1]` of the next two.
    indptr_t: Vec<u32>,
    /// `[nnz]`: receivers, sender by sender.
    targets: Vec<u32>,
    /// `[nnz]`: numbers of those edges.
    edges_t: Vec<u32>,
    /// Edges of the longest row: `[into a node, out of a node]`. Every dispatch asks for it, and a walk over all rows takes
    /// longer than some kernels.
    longest: [usize; 2],
}

/// A structure on a device.
#[cfg(feature = "gpu")]
#[derive(Clone)]
pub(super) struct Uploaded {
    pub(super) indptr: Tensor,
    pub(super) indices: Tensor,
    pub(super) receivers: Tensor,
    pub(super) indptr_t: Tensor,
    pub(super) targets: Tensor,
    pub(super) edges_t: Tensor,
}

fn refuse<T>(argument: String, got: impl fmt::Display, wanted: impl fmt::Display) -> Result<T> {
    Err(Error::argument(ErrorKind::Csr, "Graph::new", &argument, got, wanted))
}

/// The pointers as 32-bit numbers, if they cut `edges` entries into rows.
fn rows(indptr: &[usize], edges: usize) -> Result<Vec<u32>> {
    let Some((first, last)) = indptr.first().zip(indptr.last()) else {
        return refuse("indptr".into(), "empty", "one number per node and one more");
    };
    if *first != 0 {
        return refuse("indptr[0]".into(), first, 0);
    }
    for (i, pair) in indptr.windows(2).enumerate() {
        if pair[1] < pair[0] {
            let wanted = format!("at least indptr[{i}] = {}: rows do not overlap", pair[0]);
            return refuse(format!("indptr[{}]", i + 1), pair[1], wanted);
        }
    }
    if u32::try_from(*last).is_err() || u32::try_from(indptr.len()).is_err() {
        let got = format!("{last} edges between {} nodes", indptr.len() - 1);
        return refuse("the size".into(), got, format!("at most {} of either: indices have 32 bits", u32::MAX));
    }
    if *last != edges {
        return refuse(format!("indptr[{}]", indptr.len() - 1), last, format!("{edges}, the number of indices"));
    }
    Ok(indptr.iter().map(|p| *p as u32).collect())
}

/// What is wrong within row `i`, whose first entry is number `start`.
fn check_row(i: usize, start: usize, row: &[usize], nodes: usize) -> Result<()> {
    for (k, j) in row.iter().enumerate() {
        let argument = || format!("indices[{}] in row {i}", start + k);
        if *j >= nodes {
            return refuse(argument(), j, format!("below {nodes}, the number of nodes"));
        }
        let Some(before) = k.checked_sub(1).map(|k| row[k]) else { continue };
        if *j == before {
            return refuse(argument(), format!("{j} once more"), "each sender once: add the weights");
        }
        if *j < before {
            return refuse(argument(), format!("{j} after {before}"), "increasing order within a row");
        }
    }
    Ok(())
}

impl Structure {
    /// The other direction by counting; the edges out of a node keep their order.
    fn new(indptr: Vec<u32>, indices: Vec<u32>) -> Structure {
        let nodes = indptr.len() - 1;
        let mut receivers = Vec::with_capacity(indices.len());
        for (i, pair) in indptr.windows(2).enumerate() {
            receivers.extend(std::iter::repeat_n(i as u32, (pair[1] - pair[0]) as usize));
        }
        let mut indptr_t = vec![0u32; nodes + 1];
        for j in &indices {
            indptr_t[*j as usize + 1] += 1;
        }
        for j in 0..nodes {
            indptr_t[j + 1] += indptr_t[j];
        }
        let mut next = indptr_t.clone();
        let (mut targets, mut edges_t) = (vec![0; indices.len()], vec![0; indices.len()]);
        for (e, (j, i)) in indices.iter().zip(&receivers).enumerate() {
            let at = next[*j as usize] as usize;
            next[*j as usize] += 1;
            targets[at] = *i;
            edges_t[at] = e as u32;
        }
        let longest = [longest_row(&indptr), longest_row(&indptr_t)];
        Structure { indptr, indices, receivers, indptr_t, targets, edges_t, longest }
    }
}

impl Graph {
    /// A graph of `indptr.len() - 1` nodes. The edges into node `i` are entries `indptr[i] .. indptr[i + 1]` of
    /// `indices`, which name their senders.
    ///
    /// # Errors
    /// `Csr`, naming the defect and its place: no pointers, a first pointer other than 0, pointers that decrease, a last
    /// pointer other than the number of indices, more than `u32::MAX` edges or nodes, an index past the nodes, indices
    /// of a row that decrease, an index twice in a row. (The ninth, a weight that is not finite, is of
    /// [`Graph::check_weights`].)
    pub fn new(indptr: &[usize], indices: &[usize]) -> Result<Graph> {
        let pointers = rows(indptr, indices.len())?;
        let nodes = pointers.len() - 1;
        for (i, pair) in indptr.windows(2).enumerate() {
            check_row(i, pair[0], &indices[pair[0]..pair[1]], nodes)?;
        }
        let structure = Structure::new(pointers, indices.iter().map(|j| *j as u32).collect());
        Ok(Graph(Arc::new(Inner {
            structure,
            #[cfg(feature = "gpu")]
            devices: Mutex::default(),
        })))
    }

    /// A graph of `nodes` nodes from pairs (receiver, sender) in any order. [`Graph::edges`] tells the order of the
    /// weights.
    ///
    /// # Errors
    /// `Csr` if a pair names a node past the last or comes twice.
    pub fn from_edges(nodes: usize, edges: &[(usize, usize)]) -> Result<Graph> {
        let mut edges = edges.to_vec();
        edges.sort_unstable();
        if let Some((i, j)) = edges.iter().find(|(i, _)| *i >= nodes) {
            return refuse("an edge".into(), format!("to node {i} from {j}"), format!("nodes below {nodes}"));
        }
        let mut indptr = vec![0usize; nodes + 1];
        for (i, _) in &edges {
            indptr[i + 1] += 1;
        }
        for i in 0..nodes {
            indptr[i + 1] += indptr[i];
        }
        Graph::new(&indptr, &edges.iter().map(|(_, j)| *j).collect::<Vec<_>>())
    }

    /// A graph of `nodes` nodes from (receiver, sender, weight) in any order, and the weights in its own order.
    ///
    /// # Errors
    /// As [`Graph::from_edges`] and [`Graph::check_weights`].
    pub fn from_weighted_edges(nodes: usize, edges: &[(usize, usize, f32)]) -> Result<(Graph, Vec<f32>)> {
        let mut sorted = edges.to_vec();
        sorted.sort_unstable_by_key(|(i, j, _)| (*i, *j));
        let pairs: Vec<(usize, usize)> = sorted.iter().map(|(i, j, _)| (*i, *j)).collect();
        let graph = Graph::from_edges(nodes, &pairs)?;
        let weights: Vec<f32> = sorted.iter().map(|(_, _, weight)| *weight).collect();
        graph.check_weights(&weights)?;
        Ok((graph, weights))
    }

    /// Number of nodes.
    pub fn nodes(&self) -> usize {
        self.0.structure.indptr.len() - 1
    }

    /// Number of edges.
    pub fn edge_count(&self) -> usize {
        self.0.structure.indices.len()
    }

    /// Pairs (receiver, sender) in the order of the weights.
    pub fn edges(&self) -> impl ExactSizeIterator<Item = (usize, usize)> + '_ {
        let s = &self.0.structure;
        s.receivers.iter().zip(&s.indices).map(|(i, j)| (*i as usize, *j as usize))
    }

    /// Where the rows begin, `[N + 1]`.
    pub fn indptr(&self) -> &[u32] {
        &self.0.structure.indptr
    }

    /// The senders, `[nnz]`.
    pub fn indices(&self) -> &[u32] {
        &self.0.structure.indices
    }

    /// Refuses weights of a file or a user that are not one finite number per edge (or `n * n` of them, a block).
    ///
    /// # Errors
    /// `Csr`, naming the edge and its row.
    pub fn check_weights(&self, weights: &[f32]) -> Result<()> {
        let edges = self.edge_count();
        if (edges == 0 && !weights.is_empty()) || (edges > 0 && !weights.len().is_multiple_of(edges)) {
            let message =
                format!("Graph: there are {} weights, expected one or one block for {edges} edges", weights.len());
            return Err(Error::new(ErrorKind::Csr, message));
        }
        let Some(at) = weights.iter().position(|w| !w.is_finite()) else { return Ok(()) };
        let edge = at / (weights.len() / edges);
        let row = self.0.structure.receivers[edge];
        let message =
            format!("Graph: the weight of edge {edge} in row {row} is {}, expected a finite number", weights[at]);
        Err(Error::new(ErrorKind::Csr, message))
    }
}

impl Graph {
    /// Edges of the longest row: `[into a node, out of a node]`.
    pub(super) fn longest(&self) -> [usize; 2] {
        self.0.structure.longest
    }
}

#[cfg(feature = "gpu")]
impl Graph {
    /// The structure on the device of `context`, uploaded at the first call.
    pub(super) fn on(&self, context: &Context) -> Result<Uploaded> {
        let mut devices = match self.0.devices.lock() {
            Ok(devices) => devices,
            Err(poisoned) => poisoned.into_inner(),
        };
        if let Some(found) = devices.iter().find(|d| d.indptr.context().is_same(context)) {
            return Ok(found.clone());
        }
        let s = &self.0.structure;
        let upload = |data: &[u32]| Tensor::from_u32(context, data, &[data.len()]);
        let new = Uploaded {
            indptr: upload(&s.indptr)?,
            indices: upload(&s.indices)?,
            receivers: upload(&s.receivers)?,
            indptr_t: upload(&s.indptr_t)?,
            targets: upload(&s.targets)?,
            edges_t: upload(&s.edges_t)?,
        };
        // A dead context stays no longer than until the next one comes.
        devices.retain(|d| d.indptr.context().alive().is_ok());
        devices.push(new.clone());
        Ok(new)
    }
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Graph({} nodes, {} edges)", self.nodes(), self.edge_count())
    }
}
