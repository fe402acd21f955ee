//! Sparse coupling of a state `[batch, N, n]` over the edges of a graph in compressed sparse rows, with a number or an
//! n x n block per edge:
//! ```text
//! dst[b, i, a] = sum_{e in row i} w_e x[b, j_e, a]               j_e the sender of edge e
//! dst[b, i, a] = sum_{e in row i} sum_c w[e, a, c] x[b, j_e, c]
//! ```
//! The map is linear in each operand, so the backward passes are its transposes:
//! ```text
//! x_bar[b, j, c] = sum_{e out of j} sum_a w[e, a, c] dst_bar[b, i_e, a]      i_e its receiver
//! w_bar[e, a, c] = sum_b dst_bar[b, i_e, a] x[b, j_e, c]                     for a number: a = c, and the sum over a
//! ```

use super::Real;

/// A graph, trusted to be valid.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    /// Where the rows begin, `[N + 1]`.
    pub indptr: &'a [u32],
    /// Senders, `[nnz]`.
    pub indices: &'a [u32],
}

/// Extents of a coupling besides the graph's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extents {
    /// Samples.
    pub batch: usize,
    /// Components of a node.
    pub n: usize,
    /// Whether an edge has a block of weights.
    pub blocks: bool,
}

/// Calls `f(dst index, w index, x index)` for every product of the sum.
fn for_each(rows: &Rows, e: &Extents, mut f: impl FnMut(usize, usize, usize)) {
    let (nodes, n) = (rows.indptr.len() - 1, e.n);
    for b in 0..e.batch {
        for i in 0..nodes {
            for edge in rows.indptr[i] as usize..rows.indptr[i + 1] as usize {
                let (dst, x) = ((b * nodes + i) * n, (b * nodes + rows.indices[edge] as usize) * n);
                for a in 0..n {
                    if e.blocks {
                        (0..n).for_each(|c| f(dst + a, (edge * n + a) * n + c, x + c));
                    } else {
                        f(dst + a, edge, x + a);
                    }
                }
            }
        }
    }
}

fn sums<R: Real>(terms: Vec<Vec<R>>) -> Vec<R> {
    terms.into_iter().map(R::sum).collect()
}

/// `dst [batch, N, n]`.
pub fn forward<R: Real>(x: &[R], w: &[R], rows: &Rows, e: &Extents) -> Vec<R> {
    let mut terms = vec![Vec::new(); x.len()];
    for_each(rows, e, |d, k, s| terms[d].push(w[k] * x[s]));
    sums(terms)
}

/// `[x_bar, w_bar]`.
pub fn backward<R: Real>(x: &[R], w: &[R], dst_bar: &[R], rows: &Rows, e: &Extents) -> [Vec<R>; 2] {
    let (mut x_terms, mut w_terms) = (vec![Vec::new(); x.len()], vec![Vec::new(); w.len()]);
    for_each(rows, e, |d, k, s| {
        x_terms[s].push(w[k] * dst_bar[d]);
        w_terms[k].push(x[s] * dst_bar[d]);
    });
    [sums(x_terms), sums(w_terms)]
}
