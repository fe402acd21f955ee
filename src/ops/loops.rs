//! Closed loops through the nodes of a network, around which phases wind.

use std::fmt;
use std::sync::Arc;
#[cfg(feature = "gpu")]
use std::sync::Mutex;

use super::boundary::Boundary;
#[cfg(feature = "gpu")]
use super::layout::longest_row;
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Context, Tensor};

/// Closed loops, each a sequence of nodes whose last is followed by its first.
///
/// Cheap to clone; clones share the structure and its copies on devices, which are made at first use.
#[derive(Clone)]
pub struct Loops(Arc<Inner>);

struct Inner {
    nodes: usize,
    /// `[L + 1]`: the nodes of loop `l` are entries `indptr[l] .. indptr[l + 1]` of the next.
    indptr: Vec<u32>,
    indices: Vec<u32>,
    /// Nodes of the longest loop.
    #[cfg(feature = "gpu")]
    longest: usize,
    #[cfg(feature = "gpu")]
    devices: Mutex<Vec<Uploaded>>,
}

/// Loops on a device.
#[cfg(feature = "gpu")]
#[derive(Clone)]
pub(super) struct Uploaded {
    pub(super) indptr: Tensor,
    pub(super) indices: Tensor,
}

fn refuse<T>(argument: &str, got: impl fmt::Display, wanted: impl fmt::Display) -> Result<T> {
    Err(Error::argument(ErrorKind::Csr, "Loops::new", argument, got, wanted))
}

impl Loops {
    /// Loops through some of `nodes` nodes, in the order in which they are gone around.
    ///
    /// # Errors
    /// `Csr`, naming the loop: fewer than three nodes, a node past the last, a node twice, or so many that 32-bit indices do
    /// not reach them.
    pub fn new(nodes: usize, loops: &[Vec<usize>]) -> Result<Loops> {
        let entries: usize = loops.iter().map(Vec::len).sum();
        if [nodes, entries, loops.len()].iter().any(|n| u32::try_from(n.saturating_add(1)).is_err()) {
            let got = format!("{entries} entries of {} loops through {nodes} nodes", loops.len());
            return refuse("the size", got, format!("less than {} of each: indices have 32 bits", u32::MAX));
        }
        let mut indptr = vec![0];
        let mut indices = Vec::with_capacity(entries);
        for (number, around) in loops.iter().enumerate() {
            let argument = format!("loop {number}");
            if around.len() < 3 {
                return refuse(&argument, format!("{} nodes", around.len()), "at least three");
            }
            if let Some(node) = around.iter().find(|node| **node >= nodes) {
                return refuse(&argument, format!("through node {node}"), format!("nodes below {nodes}"));
            }
            let mut sorted = around.clone();
            sorted.sort_unstable();
            if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
                return refuse(&argument, format!("node {} once more", pair[0]), "each node once");
            }
            indices.extend(around.iter().map(|node| *node as u32));
            indptr.push(indices.len() as u32);
        }
        Ok(Loops(Arc::new(Inner {
            nodes,
            #[cfg(feature = "gpu")]
            longest: longest_row(&indptr),
            indptr,
            indices,
            #[cfg(feature = "gpu")]
            devices: Mutex::default(),
        })))
    }

    /// The one loop through all nodes of a ring, in order: of a twisted state it counts the twists.
    ///
    /// # Errors
    /// `Csr` for fewer than three nodes.
    pub fn ring(nodes: usize) -> Result<Loops> {
        Loops::new(nodes, &[(0..nodes).collect()])
    }

    /// The smallest squares of a lattice of `height` rows and `width` columns, row by row, each from its upper left node to
    /// the right, down, and back: where phases wind around one there is a vortex. With a periodic boundary there are as many
    /// as nodes.
    ///
    /// # Errors
    /// `Csr` for extents of 1 or 2 with a periodic boundary, where a square has a node twice or shares two edges with
    /// another.
    pub fn plaquettes(height: usize, width: usize, boundary: Boundary) -> Result<Loops> {
        let periodic = boundary == Boundary::Periodic;
        if periodic && [height, width].iter().any(|extent| (1..3).contains(extent)) {
            return refuse("a lattice", format!("{height} x {width}"), "extents of at least 3 where it is periodic");
        }
        let [rows, columns] = [height, width].map(|extent| if periodic { extent } else { extent.saturating_sub(1) });
        let square = |(r, c): (usize, usize)| {
            let (down, right) = ((r + 1) % height, (c + 1) % width);
            [(r, c), (r, right), (down, right), (down, c)].map(|(r, c)| r * width + c).to_vec()
        };
        let corners = (0..rows).flat_map(|r| (0..columns).map(move |c| (r, c)));
        Loops::new(height * width, &corners.map(square).collect::<Vec<_>>())
    }

    /// Number of nodes of the network.
    pub fn nodes(&self) -> usize {
        self.0.nodes
    }

    /// Number of loops.
    pub fn count(&self) -> usize {
        self.0.indptr.len() - 1
    }

    /// The loops, in the order of the windings.
    pub fn list(&self) -> impl ExactSizeIterator<Item = Vec<usize>> + '_ {
        let of = |pair: &[u32]| (pair[0]..pair[1]).map(|k| self.0.indices[k as usize] as usize).collect();
        self.0.indptr.windows(2).map(of)
    }

    /// Nodes of the longest loop.
    #[cfg(feature = "gpu")]
    pub(super) fn longest(&self) -> usize {
        self.0.longest
    }

    /// The structure on the device of `context`, uploaded at the first call.
    #[cfg(feature = "gpu")]
    pub(super) fn on(&self, context: &Context) -> Result<Uploaded> {
        let mut devices = match self.0.devices.lock() {
            Ok(devices) => devices,
            Err(poisoned) => poisoned.into_inner(),
        };
        if let Some(found) = devices.iter().find(|d| d.indptr.context().is_same(context)) {
            return Ok(found.clone());
        }
        let upload = |data: &[u32]| Tensor::from_u32(context, data, &[data.len()]);
        let new = Uploaded { indptr: upload(&self.0.indptr)?, indices: upload(&self.0.indices)? };
        // A dead context stays no longer than until the next one comes.
        devices.retain(|d| d.indptr.context().alive().is_ok());
        devices.push(new.clone());
        Ok(new)
    }
}

impl fmt::Debug for Loops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Loops({} through {} nodes)", self.count(), self.nodes())
    }
}
