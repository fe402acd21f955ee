//! The mean over the nodes of each sample, `mean[b, c] = 1/N sum_i x[b, i, c]`: of phasors it is the order parameter.
//!
//! Backward: `x_bar[b, i, c] = mean_bar[b, c] / N`.

use super::Real;

/// `mean [samples, n]` of `x [samples, nodes, n]`, with at least one node.
pub fn forward<R: Real>(x: &[R], [samples, nodes, n]: [usize; 3]) -> Vec<R> {
    let share = R::constant(1.0 / nodes as f64);
    let sum = |b: usize, c: usize| R::sum((0..nodes).map(|i| x[(b * nodes + i) * n + c]));
    (0..samples * n).map(|row| sum(row / n, row % n) * share).collect()
}

/// `x_bar [samples, nodes, n]`.
pub fn backward<R: Real>(mean_bar: &[R], [samples, nodes, n]: [usize; 3]) -> Vec<R> {
    let share = R::constant(1.0 / nodes as f64);
    (0..samples * nodes * n).map(|e| mean_bar[e / (nodes * n) * n + e % n] * share).collect()
}
