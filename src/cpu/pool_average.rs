//! `dst[b, c]` is the mean of plane `[b, c, ..]`. Backward: `x_bar = dst_bar / plane`, everywhere in the plane.

use super::Real;

/// Means of consecutive runs of `plane` elements.
pub fn forward<R: Real>(x: &[R], plane: usize) -> Vec<R> {
    x.chunks_exact(plane).map(|run| R::sum(run.iter().copied()) / R::exact(plane as f64)).collect()
}

/// `x_bar`.
pub fn backward<R: Real>(dst_bar: &[R], plane: usize) -> Vec<R> {
    dst_bar.iter().flat_map(|g| std::iter::repeat_n(*g / R::exact(plane as f64), plane)).collect()
}
