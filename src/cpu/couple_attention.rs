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
//!
//! Why the bounds cover an evaluation in one pass over the keys, whose `top` rises on the way: `top` is an integer, so
//! what was summed before is rescaled by a power of two and nothing is rounded; a term `p` computed under a lower `top`
//! had the smaller argument, in magnitude, and hence the smaller error; and a sum's bound holds in every order. A device
//! whose largest score rounds across an integer ends one `top` higher, so the reference takes the next integer but one.
//! `2^x` is written `exp(x ln 2)`: the rounding of `x ln 2` makes up for the specification of exp2, 3 + 2 |x| ulp.

use super::Real;

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

/// One vector of `dim` channels per sample, head and token, in this order.
type Rows<R> = Vec<Vec<R>>;

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

    /// The rows of the keys that query `row` sees.
    fn keys(&self, row: usize) -> std::ops::Range<usize> {
        let first = row / self.tokens * self.tokens;
        first..if self.causal { row + 1 } else { first + self.tokens }
    }

    /// `p` of every key of query `row`, and the reciprocal of their sum.
    fn weights<R: Real>(&self, q: &Rows<R>, k: &Rows<R>, row: usize) -> (Vec<R>, R) {
        let to_log2 = R::constant(std::f64::consts::LOG2_E / (self.dim as f64).sqrt());
        let scores: Vec<R> = self.keys(row).map(|key| R::dot(&q[row], &k[key]) * to_log2).collect();
        let top = scores.iter().fold(f64::NEG_INFINITY, |top, t| top.max(t.value())).ceil() + 1.0;
        let ln_2 = R::constant(std::f64::consts::LN_2);
        let p: Vec<R> = scores.iter().map(|t| ((*t - R::exact(top)) * ln_2).exp()).collect();
        let inverse = R::exact(1.0) / R::sum(p.iter().copied());
        (p, inverse)
    }
}

/// q, k, v after their matrices.
fn heads<R: Real>(qkv: &[R], matrices: &[Option<&[R]>; 4], at: &Layout) -> [Rows<R>; 3] {
    [0, 1, 2].map(|part| at.turn(matrices[part], &at.gather(qkv, part * at.width(), 3 * at.width()), false))
}

/// `sum_j P_ij v_j` per row.
fn mix<R: Real>(q: &Rows<R>, k: &Rows<R>, v: &Rows<R>, at: &Layout) -> Rows<R> {
    let mixed = (0..at.rows()).map(|row| {
        let (p, inverse) = at.weights(q, k, row);
        (0..at.dim).map(|c| R::sum(at.keys(row).zip(&p).map(|(key, p)| *p * v[key][c])) * inverse).collect()
    });
    mixed.collect()
}

/// The result, `width` channels; `qkv` has three times as many, `matrices` are those of q, k, v and the result,
/// `[tokens, dim / 2, 2, 2]` each.
pub fn forward<R: Real>(qkv: &[R], matrices: &[Option<&[R]>; 4], at: &Layout) -> Vec<R> {
    let [q, k, v] = heads(qkv, matrices, at);
    let turned = at.turn(matrices[3], &mix(&q, &k, &v, at), false);
    let mut dst = vec![R::zero(); qkv.len() / 3];
    at.scatter(&turned, &mut dst, 0, at.width());
    dst
}

/// The cotangent of `qkv` and those of the given matrices, in their order.
pub fn backward<R: Real>(qkv: &[R], matrices: &[Option<&[R]>; 4], dst_bar: &[R], at: &Layout) -> Vec<Vec<R>> {
    let [q, k, v] = heads(qkv, matrices, at);
    let mixed = mix(&q, &k, &v, at);
    let o_bar = at.gather(dst_bar, 0, at.width());
    let g = at.turn(matrices[3], &o_bar, true);
    let scale = R::constant(1.0 / (at.dim as f64).sqrt());
    let mut terms: [Vec<Vec<Vec<R>>>; 3] = std::array::from_fn(|_| vec![vec![Vec::new(); at.dim]; at.rows()]);
    for row in 0..at.rows() {
        let (p, inverse) = at.weights(&q, &k, row);
        let delta = R::dot(&g[row], &mixed[row]);
        for (key, p) in at.keys(row).zip(p) {
            let p = p * inverse;
            let s = p * (R::dot(&g[row], &v[key]) - delta);
            for c in 0..at.dim {
                terms[0][row][c].push(s * k[key][c]);
                terms[1][key][c].push(s * q[row][c]);
                terms[2][key][c].push(p * g[row][c]);
            }
        }
    }
    let mut part = 0;
    let bars: [Rows<R>; 3] = terms.map(|rows| {
        let scaled = part < 2;
        part += 1;
        let sum = |terms: Vec<R>| if scaled { R::sum(terms) * scale } else { R::sum(terms) };
        rows.into_iter().map(|row| row.into_iter().map(sum).collect()).collect()
    });
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
