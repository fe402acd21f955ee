//! What an oscillator reads: values weighted by how near it is to their anchors,
//! ```text
//! o_i = sum_j A_ij v_j,   A_ij = m_ij / Z_i,   m_ij = max(1 + x_i . a_j, 0)^p,   Z_i = max(sum_j m_ij, 1e-8)
//! ```
//! over the keys that query `i` sees. Source: fixed-query oscillator attention (arXiv 2606.12059) and its code. Anchors
//! drift off the sphere in training, so `1 + x . a` may be negative and the clamp works.
//!
//! For `p = 1` and no clamp at work the sums separate (a rank of `n + 1`):
//! ```text
//! o_i = (sum_j v_j + (sum_j v_j a_jᵀ) x_i) / max(count_i + x_i . sum_j a_j, 1e-8)
//! ```
//!
//! Backward, `g = o_bar`: `v_bar_j = sum_i A_ij g_i`; with `delta_i = sum_j A_ij (g_i . v_j)` (0 where `Z_i` is the clamp),
//! ```text
//! s_bar_ij = p max(1 + s_ij, 0)^(p-1) [1 + s_ij > 0] (g_i . v_j - delta_i) / Z_i
//! x_bar_i = sum_j s_bar_ij a_j      a_bar_j = sum over samples, i of s_bar_ij x_i
//! ```
//! which is the backward pass of the separated sums too, where they apply.

use super::Real;
use super::couple_anchors::{Heads, positive_part};

/// Sums of weights below this are replaced by it.
pub const CLAMP: f64 = 1e-8;

/// `y` and its powers `y^(p-1)`, `y^p` for `y = max(1 + s, 0)`.
fn powers<R: Real>(s: R, power: u32) -> [R; 3] {
    let y = positive_part(R::exact(1.0) + s);
    let below = (1..power).fold(R::exact(1.0), |below, _| below * y);
    [y, below, below * y]
}

/// The reciprocal of the clamped sum of weights, and whether the clamp is idle.
fn inverse<R: Real>(sum: R) -> (R, bool) {
    let idle = sum.value() > CLAMP;
    (R::exact(1.0) / if idle { sum } else { R::constant(CLAMP) }, idle)
}

/// `[batch, tokens, heads * dim]`; `x` is `[batch, heads, tokens, n]`.
pub fn forward<R: Real>([x, v, anchors]: [&[R]; 3], lengths: Option<&[R]>, power: u32, at: &Heads) -> Vec<R> {
    let mut dst = vec![R::zero(); v.len()];
    for (row, [b, head, i]) in at.queries() {
        let own = &x[row * at.n..][..at.n];
        let keys = at.keys(lengths, b, i);
        let weights: Vec<R> =
            keys.clone().map(|j| powers(R::dot(own, &anchors[at.anchor(head, j)]), power)[2]).collect();
        let (inverse, _) = inverse(R::sum(weights.iter().copied()));
        for (c, to) in at.channels(b, head, i).enumerate() {
            let terms = keys.clone().zip(&weights).map(|(j, m)| *m * v[at.channels(b, head, j)][c]);
            dst[to] = R::sum(terms) * inverse;
        }
    }
    dst
}

/// The same for `p = 1` by separated sums; equal where no `1 + x_i . a_j` is negative.
pub fn forward_prefix<R: Real>([x, v, anchors]: [&[R]; 3], lengths: Option<&[R]>, at: &Heads) -> Vec<R> {
    let mut dst = vec![R::zero(); v.len()];
    for (row, [b, head, i]) in at.queries() {
        let own = &x[row * at.n..][..at.n];
        let keys = at.keys(lengths, b, i);
        let anchor = |j: usize, m: usize| anchors[at.anchor(head, j)][m];
        let directions = (0..at.n).map(|m| own[m] * R::sum(keys.clone().map(|j| anchor(j, m))));
        let below = R::sum([R::exact(keys.len() as f64)].into_iter().chain(directions));
        let below = if below.value() > CLAMP { below } else { R::constant(CLAMP) };
        for (c, to) in at.channels(b, head, i).enumerate() {
            let value = |j: usize| v[at.channels(b, head, j)][c];
            let along = (0..at.n).map(|m| own[m] * R::sum(keys.clone().map(|j| value(j) * anchor(j, m))));
            dst[to] = R::sum([R::sum(keys.clone().map(value))].into_iter().chain(along)) / below;
        }
    }
    dst
}

/// Cotangents of x, v and the anchors.
pub fn backward<R: Real>(
    [x, v, anchors]: [&[R]; 3],
    lengths: Option<&[R]>,
    dst_bar: &[R],
    power: u32,
    at: &Heads,
) -> [Vec<R>; 3] {
    let mut x_bar = Vec::with_capacity(x.len());
    let mut terms = [vec![vec![]; v.len()], vec![vec![]; anchors.len()]];
    for (row, [b, head, i]) in at.queries() {
        let own = &x[row * at.n..][..at.n];
        let g = &dst_bar[at.channels(b, head, i)];
        let keys = at.keys(lengths, b, i);
        let found: Vec<([R; 3], R)> = keys
            .clone()
            .map(|j| {
                let s = R::dot(own, &anchors[at.anchor(head, j)]);
                (powers(s, power), R::dot(g, &v[at.channels(b, head, j)]))
            })
            .collect();
        let (inverse, idle) = inverse(R::sum(found.iter().map(|(m, _)| m[2])));
        let delta = if idle { R::sum(found.iter().map(|(m, along)| m[2] * *along)) * inverse } else { R::zero() };
        let mut own_terms = vec![vec![]; at.n];
        for (j, ([y, below, m], along)) in keys.zip(found) {
            for (c, to) in at.channels(b, head, j).enumerate() {
                terms[0][to].push(m * inverse * g[c]);
            }
            let slope = if y.value() > 0.0 { R::exact(f64::from(power)) * below } else { R::zero() };
            let s_bar = slope * ((along - delta) * inverse);
            for (c, to) in at.anchor(head, j).enumerate() {
                own_terms[c].push(s_bar * anchors[to]);
                terms[1][to].push(s_bar * own[c]);
            }
        }
        x_bar.extend(own_terms.into_iter().map(R::sum));
    }
    let [v_bar, a_bar] = terms.map(|terms| terms.into_iter().map(R::sum).collect());
    [x_bar, v_bar, a_bar]
}
