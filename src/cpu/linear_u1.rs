//! A linear map of complex neurons that commutes with a common phase: `x` seen as `[outer, depth, 2, inner]`, real and
//! imaginary parts of a neuron `inner` apart,
//! ```text
//! dst[o, m, 0, i] = sum_k   w1[m, k] x[o, k, 0, i] + w2[m, k] x[o, k, 1, i]
//! dst[o, m, 1, i] = sum_k - w2[m, k] x[o, k, 0, i] + w1[m, k] x[o, k, 1, i]
//! ```
//! a multiplication by `w1 - i w2`. Only the two free numbers of a pair of neurons are stored. There is no bias: one would
//! not turn with the phase. Source: arXiv 2605.14685; the sign of `w2` is that of its code, so that published
//! weights load.
//!
//! It is linear in each operand, so the backward passes are its transposes: with `g = dst_bar`,
//! `x_bar[k] = sum_m (w1 g0 - w2 g1, w2 g0 + w1 g1)`, `w1_bar[m, k] = sum_{o, i} g0 x0 + g1 x1`,
//! `w2_bar[m, k] = sum_{o, i} g0 x1 - g1 x0`.

use super::Real;
use super::linear::Extents;

/// `dst [outer, rows, 2, inner]`; the extents count neurons.
pub fn forward<R: Real>(x: &[R], w1: &[R], w2: &[R], e: &Extents) -> Vec<R> {
    let from = |o: usize, k: usize, part: usize, i: usize| x[((o * e.depth + k) * 2 + part) * e.inner + i];
    let mut dst = Vec::with_capacity(e.outer * e.rows * 2 * e.inner);
    for o in 0..e.outer {
        for m in 0..e.rows {
            let (u, v) = (&w1[m * e.depth..(m + 1) * e.depth], &w2[m * e.depth..(m + 1) * e.depth]);
            for i in 0..e.inner {
                dst.push(R::sum((0..e.depth).flat_map(|k| [u[k] * from(o, k, 0, i), v[k] * from(o, k, 1, i)])));
            }
            for i in 0..e.inner {
                dst.push(R::sum((0..e.depth).flat_map(|k| [-v[k] * from(o, k, 0, i), u[k] * from(o, k, 1, i)])));
            }
        }
    }
    dst
}

/// `[x_bar, w1_bar, w2_bar]`.
pub fn backward<R: Real>(x: &[R], w1: &[R], w2: &[R], dst_bar: &[R], e: &Extents) -> [Vec<R>; 3] {
    let from = |o: usize, k: usize, part: usize, i: usize| x[((o * e.depth + k) * 2 + part) * e.inner + i];
    let g = |o: usize, m: usize, part: usize, i: usize| dst_bar[((o * e.rows + m) * 2 + part) * e.inner + i];
    let mut x_bar = Vec::with_capacity(x.len());
    for o in 0..e.outer {
        for k in 0..e.depth {
            let weights = |m: usize| (w1[m * e.depth + k], w2[m * e.depth + k]);
            for i in 0..e.inner {
                x_bar.push(R::sum((0..e.rows).flat_map(|m| {
                    let (u, v) = weights(m);
                    [u * g(o, m, 0, i), -v * g(o, m, 1, i)]
                })));
            }
            for i in 0..e.inner {
                x_bar.push(R::sum((0..e.rows).flat_map(|m| {
                    let (u, v) = weights(m);
                    [v * g(o, m, 0, i), u * g(o, m, 1, i)]
                })));
            }
        }
    }
    let columns = || (0..e.outer).flat_map(|o| (0..e.inner).map(move |i| (o, i)));
    let (mut w1_bar, mut w2_bar) = (Vec::with_capacity(w1.len()), Vec::with_capacity(w2.len()));
    for m in 0..e.rows {
        for k in 0..e.depth {
            w1_bar.push(R::sum(
                columns().flat_map(|(o, i)| [g(o, m, 0, i) * from(o, k, 0, i), g(o, m, 1, i) * from(o, k, 1, i)]),
            ));
            w2_bar.push(R::sum(
                columns().flat_map(|(o, i)| [g(o, m, 0, i) * from(o, k, 1, i), -g(o, m, 1, i) * from(o, k, 0, i)]),
            ));
        }
    }
    [x_bar, w1_bar, w2_bar]
}
