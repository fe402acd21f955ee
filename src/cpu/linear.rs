//! A linear map of the channels of `x`, seen as `[outer, depth, inner]`:
//! ```text
//! dst[o, m, i] = bias[m] + sum_k w[m, k] x[o, k, i] + addend[o, m, i]
//! ```
//! Tokens have `inner = 1`; with the pixels there it is a 1x1 convolution.
//!
//! It is linear in each operand, so the backward passes are its transposes: `x_bar[o, k, i] = sum_m w[m, k] g[o, m, i]`,
//! `w_bar[m, k] = sum_{o, i} g[o, m, i] x[o, k, i]`, `bias_bar[m] = sum_{o, i} g[o, m, i]`, `addend_bar = g`.

use super::Real;

/// Extents of a map.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extents {
    /// Product of the axes before the channels.
    pub outer: usize,
    /// Channels of `dst`.
    pub rows: usize,
    /// Channels of `x`.
    pub depth: usize,
    /// Product of the axes after the channels.
    pub inner: usize,
}

/// `dst [outer, rows, inner]`.
pub fn forward<R: Real>(x: &[R], w: &[R], bias: Option<&[R]>, addend: Option<&[R]>, e: &Extents) -> Vec<R> {
    let mut dst = Vec::with_capacity(e.outer * e.rows * e.inner);
    for o in 0..e.outer {
        for m in 0..e.rows {
            for i in 0..e.inner {
                let products = (0..e.depth).map(|k| w[m * e.depth + k] * x[(o * e.depth + k) * e.inner + i]);
                let terms = products.chain(bias.map(|bias| bias[m])).chain(addend.map(|addend| addend[dst.len()]));
                dst.push(R::sum(terms));
            }
        }
    }
    dst
}

/// `[x_bar, w_bar, bias_bar]`.
pub fn backward<R: Real>(x: &[R], w: &[R], dst_bar: &[R], e: &Extents) -> [Vec<R>; 3] {
    let g = |o: usize, m: usize, i: usize| dst_bar[(o * e.rows + m) * e.inner + i];
    let columns = || (0..e.outer).flat_map(|o| (0..e.inner).map(move |i| (o, i)));
    let mut x_bar = Vec::with_capacity(x.len());
    for o in 0..e.outer {
        for k in 0..e.depth {
            for i in 0..e.inner {
                x_bar.push(R::sum((0..e.rows).map(|m| w[m * e.depth + k] * g(o, m, i))));
            }
        }
    }
    let mut w_bar = Vec::with_capacity(w.len());
    for m in 0..e.rows {
        for k in 0..e.depth {
            w_bar.push(R::sum(columns().map(|(o, i)| g(o, m, i) * x[(o * e.depth + k) * e.inner + i])));
        }
    }
    let bias_bar = (0..e.rows).map(|m| R::sum(columns().map(|(o, i)| g(o, m, i)))).collect();
    [x_bar, w_bar, bias_bar]
}
