//! `dst[o] = (a[o], b[o])`: runs of two tensors in turn. Its Jacobian is a permutation; backward each part takes its runs.

use super::Real;

/// `dst`, from runs of `run_a` and `run_b` elements.
pub fn forward<R: Real>(a: &[R], b: &[R], [run_a, run_b]: [usize; 2]) -> Vec<R> {
    let outer = (a.len() + b.len()) / (run_a + run_b).max(1);
    let both = |o: usize| a[o * run_a..(o + 1) * run_a].iter().chain(&b[o * run_b..(o + 1) * run_b]);
    (0..outer).flat_map(both).copied().collect()
}

/// `[a_bar, b_bar]`.
pub fn backward<R: Real>(dst_bar: &[R], [run_a, run_b]: [usize; 2]) -> [Vec<R>; 2] {
    let runs = || dst_bar.chunks((run_a + run_b).max(1));
    [runs().flat_map(|run| &run[..run_a]).copied().collect(), runs().flat_map(|run| &run[run_a..]).copied().collect()]
}
