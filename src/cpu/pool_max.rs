//! `dst[b, c]` is the largest element of plane `[b, c, ..]`. Backward: the first of the largest gets `dst_bar`, all others
//! get 0.

use super::Real;

/// Index of the first of the largest elements.
fn first<R: Real>(run: &[R]) -> usize {
    (1..run.len()).fold(0, |best, i| if run[i].value() > run[best].value() { i } else { best })
}

/// Largest elements of consecutive runs of `plane` elements.
pub fn forward<R: Real>(x: &[R], plane: usize) -> Vec<R> {
    x.chunks_exact(plane).map(|run| run[first(run)]).collect()
}

/// `x_bar`.
pub fn backward<R: Real>(x: &[R], dst_bar: &[R], plane: usize) -> Vec<R> {
    let mut x_bar = vec![R::zero(); x.len()];
    for (i, (run, g)) in x.chunks_exact(plane).zip(dst_bar).enumerate() {
        x_bar[i * plane + first(run)] = *g;
    }
    x_bar
}
