//! `dst[o] = x[o, offset ..]`: a run of each row. Backward the run goes where it came from, and the rest is zero.

use super::Real;

/// A run of `part` elements of each of `run`, from `offset` on.
pub fn forward<R: Real>(x: &[R], part: usize, run: usize, offset: usize) -> Vec<R> {
    x.chunks(run.max(1)).flat_map(|row| &row[offset..offset + part]).copied().collect()
}

/// `x_bar` of `outer` rows.
pub fn backward<R: Real>(dst_bar: &[R], outer: usize, part: usize, run: usize, offset: usize) -> Vec<R> {
    let mut x_bar = vec![R::zero(); outer * run];
    for (row, bar) in x_bar.chunks_mut(run.max(1)).zip(dst_bar.chunks(part.max(1))) {
        row[offset..offset + part].copy_from_slice(bar);
    }
    x_bar
}
