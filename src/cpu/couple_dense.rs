//! Dense coupling of a state `[batch, N]` by any matrix:
//! ```text
//! dst[b, i] = bias[i] + sum_j J[i, j] x[b, j]                      symmetric: (J[i, j] + J[j, i]) / 2 for J[i, j]
//! ```
//! The map is linear in each operand, so the backward passes are its transposes; with `S` the matrix that couples:
//! ```text
//! x_bar[b, j] = sum_i S[i, j] dst_bar[b, i]         S_bar[i, j] = sum_b dst_bar[b, i] x[b, j]
//! bias_bar[i] = sum_b dst_bar[b, i]                 J_bar = S_bar, symmetric: (S_bar + S_barᵀ) / 2
//! ```

use super::Real;

/// Extents of a coupling.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extents {
    /// Samples.
    pub batch: usize,
    /// Elements of a sample.
    pub nodes: usize,
    /// Whether the symmetric part of the matrix couples.
    pub symmetric: bool,
}

/// The matrix that couples, or the cotangent of the matrix from that of the one that couples.
fn part<R: Real>(j: &[R], e: &Extents) -> Vec<R> {
    if !e.symmetric {
        return j.to_vec();
    }
    let n = e.nodes;
    (0..n * n).map(|at| R::exact(0.5) * (j[at] + j[at % n * n + at / n])).collect()
}

/// `dst [batch, N]`.
pub fn forward<R: Real>(x: &[R], j: &[R], bias: Option<&[R]>, e: &Extents) -> Vec<R> {
    let (n, s) = (e.nodes, part(j, e));
    (0..e.batch * n)
        .map(|at| {
            let (x, row) = (&x[at / n * n..][..n], &s[at % n * n..][..n]);
            R::sum(row.iter().zip(x).map(|(s, x)| *s * *x).chain(bias.map(|bias| bias[at % n])))
        })
        .collect()
}

/// `[x_bar, j_bar, bias_bar]`.
pub fn backward<R: Real>(x: &[R], j: &[R], dst_bar: &[R], e: &Extents) -> [Vec<R>; 3] {
    let (n, s) = (e.nodes, part(j, e));
    let x_bar =
        (0..e.batch * n).map(|at| R::sum((0..n).map(|i| s[i * n + at % n] * dst_bar[at / n * n + i]))).collect();
    let s_bar: Vec<R> =
        (0..n * n).map(|at| R::sum((0..e.batch).map(|b| dst_bar[b * n + at / n] * x[b * n + at % n]))).collect();
    let bias_bar = (0..n).map(|i| R::sum((0..e.batch).map(|b| dst_bar[b * n + i]))).collect();
    [x_bar, part(&s_bar, e), bias_bar]
}
