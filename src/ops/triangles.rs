//! The structure of a coupling by threes: which node listens to which pairs.

use std::fmt;
use std::sync::Arc;
#[cfg(feature = "gpu")]
use std::sync::Mutex;

use super::layout::longest_row;
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{Context, Tensor};

/// Directed triangles, each from two nodes to a third, in the order of a coupling's weights: receiver by receiver, then by
/// the lower and the higher sender.
///
/// Cheap to clone; clones share the structure and its copies on devices, which are made at first use.
#[derive(Clone)]
pub struct Triangles(Arc<Inner>);

struct Inner {
    structure: Structure,
    #[cfg(feature = "gpu")]
    devices: Mutex<Vec<Uploaded>>,
}

/// Both directions of the triangles; the references need one.
#[cfg_attr(not(feature = "gpu"), allow(dead_code))]
struct Structure {
    /// `[N + 1]`: the triangles to node `i` are `indptr[i] .. indptr[i + 1]`.
    indptr: Vec<u32>,
    /// `[T, 2]`: the senders of each triangle.
    senders: Vec<u32>,
    /// `[T]`: the receiver of each triangle.
    receivers: Vec<u32>,
    /// `[N + 1]`: the triangles out of node `j` are entries `indptr_t[j] .. indptr_t[j + 1]` of the next.
    indptr_t: Vec<u32>,
    /// `[2 T]`: numbers of those triangles.
    triangles_t: Vec<u32>,
    /// Triangles of the longest row: `[to a node, out of a node]`.
    longest: [usize; 2],
}

/// A structure on a device.
#[cfg(feature = "gpu")]
#[derive(Clone)]
pub(super) struct Uploaded {
    pub(super) indptr: Tensor,
    pub(super) senders: Tensor,
    pub(super) receivers: Tensor,
    pub(super) indptr_t: Tensor,
    pub(super) triangles_t: Tensor,
}

fn refuse<T>(argument: &str, got: impl fmt::Display, wanted: impl fmt::Display) -> Result<T> {
    Err(Error::argument(ErrorKind::Csr, "Triangles::new", argument, got, wanted))
}

/// Where the entries of each node begin in a list sorted by `keys`.
fn pointers(nodes: usize, keys: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut indptr = vec![0u32; nodes + 1];
    for key in keys {
        indptr[key as usize + 1] += 1;
    }
    for i in 0..nodes {
        indptr[i + 1] += indptr[i];
    }
    indptr
}

impl Structure {
    /// `sorted` lists triangles as (receiver, lower sender, higher sender).
    fn new(nodes: usize, sorted: &[[usize; 3]]) -> Structure {
        let receivers: Vec<u32> = sorted.iter().map(|[i, ..]| *i as u32).collect();
        let senders: Vec<u32> = sorted.iter().flat_map(|[_, j, k]| [*j as u32, *k as u32]).collect();
        let indptr_t = pointers(nodes, senders.iter().copied());
        let mut next = indptr_t.clone();
        let mut triangles_t = vec![0; senders.len()];
        for (entry, sender) in senders.iter().enumerate() {
            let at = &mut next[*sender as usize];
            triangles_t[*at as usize] = entry as u32 / 2;
            *at += 1;
        }
        let indptr = pointers(nodes, receivers.iter().copied());
        let longest = [longest_row(&indptr), longest_row(&indptr_t)];
        Structure { indptr, senders, receivers, indptr_t, triangles_t, longest }
    }
}

impl Triangles {
    /// Triangles between `nodes` nodes, each `[receiver, sender, sender]`, in any order; [`Triangles::list`] tells the order
    /// of the weights.
    ///
    /// # Errors
    /// `Csr`, naming the triangle: a node past the last, a node twice in a triangle, a triangle twice (senders have no
    /// order), or so many that 32-bit indices do not reach them.
    pub fn new(nodes: usize, triangles: &[[usize; 3]]) -> Result<Triangles> {
        if u32::try_from(nodes).is_err() || u32::try_from(triangles.len().saturating_mul(2)).is_err() {
            let got = format!("{} triangles between {nodes} nodes", triangles.len());
            return refuse("the size", got, format!("at most {} entries: indices have 32 bits", u32::MAX));
        }
        for triangle in triangles {
            let [i, j, k] = triangle;
            if let Some(node) = triangle.iter().find(|node| **node >= nodes) {
                return refuse("a triangle", format!("{triangle:?} with node {node}"), format!("nodes below {nodes}"));
            }
            if i == j || i == k || j == k {
                return refuse("a triangle", format!("{triangle:?}"), "three different nodes");
            }
        }
        let mut sorted: Vec<[usize; 3]> = triangles.iter().map(|[i, j, k]| [*i, *j.min(k), *j.max(k)]).collect();
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return refuse("a triangle", format!("{:?} once more", pair[0]), "each triangle once: add the weights");
        }
        Ok(Triangles(Arc::new(Inner {
            structure: Structure::new(nodes, &sorted),
            #[cfg(feature = "gpu")]
            devices: Mutex::default(),
        })))
    }

    /// Number of nodes.
    pub fn nodes(&self) -> usize {
        self.0.structure.indptr.len() - 1
    }

    /// Number of triangles.
    pub fn count(&self) -> usize {
        self.0.structure.receivers.len()
    }

    /// The triangles, `[receiver, lower sender, higher sender]`, in the order of the weights.
    pub fn list(&self) -> impl ExactSizeIterator<Item = [usize; 3]> + '_ {
        let s = &self.0.structure;
        s.receivers.iter().zip(s.senders.chunks_exact(2)).map(|(i, pair)| [*i, pair[0], pair[1]].map(|n| n as usize))
    }
}

#[cfg(feature = "gpu")]
impl Triangles {
    /// Triangles of the longest row: `[to a node, out of a node]`.
    pub(super) fn longest(&self) -> [usize; 2] {
        self.0.structure.longest
    }

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
            senders: upload(&s.senders)?,
            receivers: upload(&s.receivers)?,
            indptr_t: upload(&s.indptr_t)?,
            triangles_t: upload(&s.triangles_t)?,
        };
        // A dead context stays no longer than until the next one comes.
        devices.retain(|d| d.indptr.context().alive().is_ok());
        devices.push(new.clone());
        Ok(new)
    }
}

impl fmt::Debug for Triangles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Triangles({} nodes, {} triangles)", self.nodes(), self.count())
    }
}
