//! Graphs of other crates as structures of couplings.

#[cfg(feature = "petgraph")]
use petgraph::{EdgeType, graph::IndexType, visit::EdgeRef};
#[cfg(feature = "sprs")]
use sprs::{CsMatI, SpIndex};

use super::graph::Graph;
use crate::error::Result;
#[cfg(feature = "sprs")]
use crate::error::{Error, ErrorKind};

#[cfg(feature = "sprs")]
impl Graph {
    /// The structure and the weights of a square sparse matrix `J`: row `i`, column `j` is the weight with which node `i`
    /// listens to node `j`, as in the coupling `J x`. A matrix in compressed columns is converted, not transposed. Stored
    /// zeros stay edges.
    ///
    /// # Errors
    /// `Csr` for a matrix that is not square, and as [`Graph::new`] and [`Graph::check_weights`].
    pub fn from_sprs<I: SpIndex, P: SpIndex>(matrix: &CsMatI<f32, I, P>) -> Result<(Graph, Vec<f32>)> {
        let (rows, columns) = matrix.shape();
        if rows != columns {
            let got = format!("of {rows} rows and {columns} columns");
            return Err(Error::argument(ErrorKind::Csr, "Graph::from_sprs", "the matrix", got, "a square one"));
        }
        let converted;
        let matrix = match matrix.is_csr() {
            true => matrix,
            false => {
                converted = matrix.to_csr();
                &converted
            }
        };
        let indptr: Vec<usize> = matrix.proper_indptr().iter().map(|p| p.index()).collect();
        let indices: Vec<usize> = matrix.indices().iter().map(|j| j.index()).collect();
        let graph = Graph::new(&indptr, &indices)?;
        let weights = matrix.data().to_vec();
        graph.check_weights(&weights)?;
        Ok((graph, weights))
    }
}

#[cfg(feature = "petgraph")]
impl Graph {
    /// The structure of a graph and what `weight` says of its edges, in the order of [`Graph::edges`]. An edge `a -> b`
    /// carries what `a` sends: `b` listens to `a`. An undirected edge is one in each direction, a loop one edge.
    ///
    /// # Errors
    /// `Csr` for parallel edges and for a weight that is not finite.
    pub fn from_petgraph<N, E, Ty: EdgeType, Ix: IndexType>(
        graph: &petgraph::Graph<N, E, Ty, Ix>,
        mut weight: impl FnMut(&E) -> f32,
    ) -> Result<(Graph, Vec<f32>)> {
        let mut edges = Vec::with_capacity(graph.edge_count() * if graph.is_directed() { 1 } else { 2 });
        for edge in graph.edge_references() {
            let (a, b, weight) = (edge.source().index(), edge.target().index(), weight(edge.weight()));
            edges.push((b, a, weight));
            if !graph.is_directed() && a != b {
                edges.push((a, b, weight));
            }
        }
        Graph::from_weighted_edges(graph.node_count(), &edges)
    }
}
