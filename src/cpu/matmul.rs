//! Products of matrices, one per sample of a batch:
//! ```text
//! dst[z, m, n] = sum_k A[z, m, k] B[z, k, n],   A = a or its transpose, B = b or its transpose
//! ```
//! Linear in each operand, so the backward passes are products too: `A_bar = g Bᵀ`, `B_bar = Aᵀ g`, each transposed as
//! its operand is.

use super::Real;

/// Extents of a product.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extents {
    /// Products.
    pub batch: usize,
    /// Rows of `dst`.
    pub rows: usize,
    /// Columns of `dst`.
    pub columns: usize,
    /// Terms of each sum.
    pub depth: usize,
    /// Whether `a` is `[batch, depth, rows]` instead of `[batch, rows, depth]`.
    pub transpose_a: bool,
    /// Whether `b` is `[batch, columns, depth]` instead of `[batch, depth, columns]`.
    pub transpose_b: bool,
}

impl Extents {
    fn a(&self, z: usize, m: usize, k: usize) -> usize {
        z * self.rows * self.depth + if self.transpose_a { k * self.rows + m } else { m * self.depth + k }
    }

    fn b(&self, z: usize, k: usize, n: usize) -> usize {
        z * self.depth * self.columns + if self.transpose_b { n * self.depth + k } else { k * self.columns + n }
    }

    fn dst(&self, z: usize, m: usize, n: usize) -> usize {
        (z * self.rows + m) * self.columns + n
    }
}

/// `dst [batch, rows, columns]`.
pub fn forward<R: Real>(a: &[R], b: &[R], e: &Extents) -> Vec<R> {
    let mut dst = Vec::with_capacity(e.batch * e.rows * e.columns);
    for z in 0..e.batch {
        for m in 0..e.rows {
            for n in 0..e.columns {
                dst.push(R::sum((0..e.depth).map(|k| a[e.a(z, m, k)] * b[e.b(z, k, n)])));
            }
        }
    }
    dst
}

/// `[a_bar, b_bar]`.
pub fn backward<R: Real>(a: &[R], b: &[R], dst_bar: &[R], e: &Extents) -> [Vec<R>; 2] {
    let (mut a_bar, mut b_bar) = (vec![R::zero(); a.len()], vec![R::zero(); b.len()]);
    for z in 0..e.batch {
        for k in 0..e.depth {
            for m in 0..e.rows {
                a_bar[e.a(z, m, k)] = R::sum((0..e.columns).map(|n| dst_bar[e.dst(z, m, n)] * b[e.b(z, k, n)]));
            }
            for n in 0..e.columns {
                b_bar[e.b(z, k, n)] = R::sum((0..e.rows).map(|m| a[e.a(z, m, k)] * dst_bar[e.dst(z, m, n)]));
            }
        }
    }
    [a_bar, b_bar]
}
