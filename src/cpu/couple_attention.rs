//! Softmax attention as a coupling, between the projections: heads of q, k, v, a 2 x 2 matrix per token and pair of head
//! channels on each of them and on the result. With `t = (q' . k') log2(e) / sqrt(d)`
//! ```text
//! q' = Mq q,  k' = Mk k,  v' = Mv v,   p_ij = 2^(t_ij - top_i),   P_ij = p_ij / sum_j p_ij,   o_i = Mo_i sum_j P_ij v'_j
//! ```
//! `top_i` is any integer not below the row's scores. Source: AKOrN equations 8 and 9 and its code; the matrices are those
//! of geometric transform attention (Miyato et al., ICLR 2024), free parameters here.
//!
//! Backward, `g_i = Mo_iᵀ o_bar_i`, `m_i = sum_j P_ij v'_j`:
//! ```text
//! delta_i = g_i . m_i            s_ij = P_ij (g_i . v'_j - delta_i)
//! q'_bar_i = sum_j s_ij k'_j / sqrt(d)     k'_bar_j = sum_i s_ij q'_i / sqrt(d)     v'_bar_j = sum_i P_ij g_i
//! x_bar = Mᵀ x'_bar              M_bar = sum over samples and heads of x'_bar xᵀ      (Mo: of o_bar mᵀ)
//! ```

use super::Real;
use super::attention::{Rows, Scores};

/// Extents of an attention and which keys and channels belong to whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    /// Samples.
    pub batch: usize,
    /// Tokens of a sample.
    pub tokens: usize,
    /// Tokens that follow the channel axis; `tokens / inner` precede it.
    pub inner: usize,
    /// Heads.
    pub heads: usize,
    /// Channels of a head.
    pub dim: usize,
    /// Whether channel `c` of head `h` is `c heads + h` (else `h dim + c`).
    pub interleaved: bool,
    /// Whether keys past the query are left out.
    pub causal: bool,
}

impl Layout {
    /// Channels of the result.
    pub fn width(&self) -> usize {
        self.heads * self.dim
    }

    /// Index, in a state of `channels` channels, of channel `channel` of a token.
    fn index(&self, b: usize, token: usize, channel: usize, channels: usize) -> usize {
        let row = b * (self.tokens / self.inner) + token / self.inner;
        (row * channels + channel) * self.inner + token % self.inner
    }

    /// Indices, in a state of `channels` channels, of the `dim` channels of one row, the first of which is past `offset`.
    fn indices(&self, row: usize, offset: usize, channels: usize) -> Vec<usize> {
        let (token, head) = (row % self.tokens, row / self.tokens % self.heads);
        let b = row / (self.tokens * self.heads);
        let channel = |c: usize| if self.interleaved { c * self.heads + head } else { head * self.dim + c };
        (0..self.dim).map(|c| self.index(b, token, offset + channel(c), channels)).collect()
    }

    fn rows(&self) -> usize {
        self.batch * self.heads * self.tokens
    }

    fn gather<R: Real>(&self, x: &[R], offset: usize, channels: usize) -> Rows<R> {
        (0..self.rows()).map(|row| self.indices(row, offset, channels).into_iter().map(|at| x[at]).collect()).collect()
    }

    fn scatter<R: Real>(&self, rows: &Rows<R>, x: &mut [R], offset: usize, channels: usize) {
        for (row, values) in rows.iter().enumerate() {
            for (at, value) in self.indices(row, offset, channels).into_iter().zip(values) {
                x[at] = *value;
            }
        }
    }

    /// `M x`, or `Mᵀ x`, row by row; `x` where there are no matrices.
    fn turn<R: Real>(&self, matrices: Option<&[R]>, x: &Rows<R>, transposed: bool) -> Rows<R> {
        let Some(matrices) = matrices else { return x.clone() };
        let turned = x.iter().enumerate().map(|(row, x)| {
            let entry = |c: usize, k: usize| {
                let (r, k) = if transposed { (k, c % 2) } else { (c % 2, k) };
                matrices[((row % self.tokens * (self.dim / 2) + c / 2) * 2 + r) * 2 + k]
            };
            (0..self.dim).map(|c| entry(c, 0) * x[c - c % 2] + entry(c, 1) * x[c - c % 2 + 1]).collect()
        });
        turned.collect()
    }

    /// `sum left rightᵀ` over samples and heads: the cotangent of the matrices of `left = M right`.
    fn outer<R: Real>(&self, left: &Rows<R>, right: &Rows<R>) -> Vec<R> {
        let mut sums = Vec::with_capacity(self.tokens * self.dim * 2);
        for token in 0..self.tokens {
            for m in 0..self.dim / 2 {
                for (r, c) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                    let rows = (0..self.batch * self.heads).map(|head| head * self.tokens + token);
                    sums.push(R::sum(rows.map(|row| left[row][2 * m + r] * right[row][2 * m + c])));
                }
            }
        }
        sums
    }

    fn scores(&self) -> Scores {
        let scale = 1.0 / (self.dim as f64).sqrt();
        Scores { rows: self.rows(), tokens: self.tokens, causal: self.causal, scale }
    }
}

/// q, k, v after their matrices.
fn heads<R: Real>(qkv: &[R], matrices: &[Option<&[R]>; 4], at: &Layout) -> [Rows<R>; 3] {
    [0, 1, 2].map(|part| at.turn(matrices[part], &at.gather(qkv, part * at.width(), 3 * at.width()), false))
}

/// The result, `width` channels; `qkv` has three times as many, `matrices` are those of q, k, v and the result,
/// `[tokens, dim / 2, 2, 2]` each.
pub fn forward<R: Real>(qkv: &[R], matrices: &[Option<&[R]>; 4], at: &Layout) -> Vec<R> {
    let [q, k, v] = heads(qkv, matrices, at);
    let turned = at.turn(matrices[3], &at.scores().mix(&q, &k, &v), false);
    let mut dst = vec![R::zero(); qkv.len() / 3];
    at.scatter(&turned, &mut dst, 0, at.width());
    dst
}

/// The cotangent of `qkv` and those of the given matrices, in their order.
pub fn backward<R: Real>(qkv: &[R], matrices: &[Option<&[R]>; 4], dst_bar: &[R], at: &Layout) -> Vec<Vec<R>> {
    let [q, k, v] = heads(qkv, matrices, at);
    let mixed = at.scores().mix(&q, &k, &v);
    let o_bar = at.gather(dst_bar, 0, at.width());
    let g = at.turn(matrices[3], &o_bar, true);
    let bars = at.scores().bars([&q, &k, &v], &g, &mixed);
    let mut qkv_bar = vec![R::zero(); qkv.len()];
    let mut matrix_bars = Vec::new();
    for (part, bar) in bars.iter().enumerate() {
        let offset = part * at.width();
        at.scatter(&at.turn(matrices[part], bar, true), &mut qkv_bar, offset, 3 * at.width());
        if matrices[part].is_some() {
            matrix_bars.push(at.outer(bar, &at.gather(qkv, offset, 3 * at.width())));
        }
    }
    if matrices[3].is_some() {
        matrix_bars.push(at.outer(&o_bar, &mixed));
    }
    let mut all = vec![qkv_bar];
    all.append(&mut matrix_bars);
    all
}
