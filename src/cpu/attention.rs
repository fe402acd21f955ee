//! Softmax attention between heads, whatever made them: what the couplings by attention share. With
//! `t = scale (q . k) log2(e)`
//! ```text
//! p_ij = 2^(t_ij - top_i),   P_ij = p_ij / sum_j p_ij,   m_i = sum_j P_ij v_j
//! ```
//! `top_i` is any integer not below the row's scores.
//!
//! Backward, `g_i = m_bar_i`:
//! ```text
//! delta_i = g_i . m_i            s_ij = P_ij (g_i . v_j - delta_i)
//! q_bar_i = scale sum_j s_ij k_j     k_bar_j = scale sum_i s_ij q_i     v_bar_j = sum_i P_ij g_i
//! ```
//!
//! Why the bounds cover an evaluation in one pass over the keys, whose `top` rises on the way: `top` is an integer, so
//! what was summed before is rescaled by a power of two and nothing is rounded; a term `p` computed under a lower `top`
//! had the smaller argument, in magnitude, and hence the smaller error; and a sum's bound holds in every order. A device
//! whose largest score rounds across an integer ends one `top` higher, so the reference takes the next integer but one.
//! `2^x` is written `exp(x ln 2)`: the rounding of `x ln 2` makes up for the specification of exp2, 3 + 2 |x| ulp.

use super::Real;

/// One vector per sample, head and token, in this order.
pub(super) type Rows<R> = Vec<Vec<R>>;

/// Which rows meet, and the factor of their products.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scores {
    /// Samples times heads times tokens.
    pub rows: usize,
    /// Tokens of a sample.
    pub tokens: usize,
    /// Whether keys past the query are left out.
    pub causal: bool,
    /// What a product of query and key is multiplied by.
    pub scale: f64,
}

impl Scores {
    /// The rows of the keys that query `row` sees.
    pub fn keys(&self, row: usize) -> std::ops::Range<usize> {
        let first = row / self.tokens * self.tokens;
        first..if self.causal { row + 1 } else { first + self.tokens }
    }

    /// `p` of every key of query `row`, and the reciprocal of their sum.
    pub fn weights<R: Real>(&self, q: &Rows<R>, k: &Rows<R>, row: usize) -> (Vec<R>, R) {
        let to_log2 = R::constant(std::f64::consts::LOG2_E * self.scale);
        let scores: Vec<R> = self.keys(row).map(|key| R::dot(&q[row], &k[key]) * to_log2).collect();
        let top = scores.iter().fold(f64::NEG_INFINITY, |top, t| top.max(t.value())).ceil() + 1.0;
        let ln_2 = R::constant(std::f64::consts::LN_2);
        let p: Vec<R> = scores.iter().map(|t| ((*t - R::exact(top)) * ln_2).exp()).collect();
        let inverse = R::exact(1.0) / R::sum(p.iter().copied());
        (p, inverse)
    }

    /// `m` per row.
    pub fn mix<R: Real>(&self, q: &Rows<R>, k: &Rows<R>, v: &Rows<R>) -> Rows<R> {
        let mixed = (0..self.rows).map(|row| {
            let (p, inverse) = self.weights(q, k, row);
            let sum = |c: usize| R::sum(self.keys(row).zip(&p).map(|(key, p)| *p * v[key][c])) * inverse;
            (0..v[row].len()).map(sum).collect()
        });
        mixed.collect()
    }

    /// The cotangents of `q`, `k` and `v`, where `g` is that of `mixed`.
    pub fn bars<R: Real>(&self, [q, k, v]: [&Rows<R>; 3], g: &Rows<R>, mixed: &Rows<R>) -> [Rows<R>; 3] {
        let scale = R::constant(self.scale);
        let empty = |of: &Rows<R>| of.iter().map(|row| vec![Vec::new(); row.len()]).collect::<Vec<Vec<Vec<R>>>>();
        let [mut q_terms, mut k_terms, mut v_terms] = [empty(q), empty(k), empty(v)];
        for row in 0..self.rows {
            let (p, inverse) = self.weights(q, k, row);
            let delta = R::dot(&g[row], &mixed[row]);
            for (key, p) in self.keys(row).zip(p) {
                let p = p * inverse;
                let s = p * (R::dot(&g[row], &v[key]) - delta);
                for (terms, k) in q_terms[row].iter_mut().zip(&k[key]) {
                    terms.push(s * *k);
                }
                for (terms, q) in k_terms[key].iter_mut().zip(&q[row]) {
                    terms.push(s * *q);
                }
                for (terms, g) in v_terms[key].iter_mut().zip(&g[row]) {
                    terms.push(p * *g);
                }
            }
        }
        let sums = |rows: Vec<Vec<Vec<R>>>, finish: &dyn Fn(R) -> R| {
            rows.into_iter().map(|row| row.into_iter().map(|terms| finish(R::sum(terms))).collect()).collect()
        };
        [sums(q_terms, &|sum| sum * scale), sums(k_terms, &|sum| sum * scale), sums(v_terms, &|sum| sum)]
    }
}
