//! Bilinear resampling of a grid, corners not aligned: pixel `r` of `rows` lies at `(r + 1/2) H / rows - 1/2` among `H`
//! pixels, clamped to the first and the last. Source: PyTorch's `interpolate(mode="bilinear", align_corners=False)`.
//!
//! The map is linear; backward is its transpose.

use super::Real;

/// Extents of a resampling of `[outer, from, from, inner]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extents {
    /// Extents before the grid.
    pub outer: usize,
    /// Rows and columns of `x`.
    pub from: [usize; 2],
    /// Rows and columns of `dst`.
    pub to: [usize; 2],
    /// Extents after the grid.
    pub inner: usize,
}

/// The two neighbours of pixel `at` of `to` among `from` pixels, with their weights; one at the borders.
fn neighbours<R: Real>(at: usize, from: usize, to: usize) -> Vec<(usize, R)> {
    let numerator = ((2 * at + 1) * from).saturating_sub(to);
    let first = (numerator / (2 * to)).min(from - 1);
    if first + 1 == from {
        return vec![(first, R::exact(1.0))];
    }
    let beyond = R::exact((numerator - first * 2 * to) as f64) / R::exact((2 * to) as f64);
    vec![(first, R::exact(1.0) - beyond), (first + 1, beyond)]
}

impl Extents {
    /// Calls `f(dst index, x index, weight of the row, weight of the column)` for every neighbour of every pixel.
    fn for_each<R: Real>(&self, mut f: impl FnMut(usize, usize, R, R)) {
        let ([in_rows, in_cols], [rows, cols]) = (self.from, self.to);
        for o in 0..self.outer {
            for r in 0..rows {
                for c in 0..cols {
                    for (row, down) in neighbours::<R>(r, in_rows, rows) {
                        for (col, across) in neighbours::<R>(c, in_cols, cols) {
                            for i in 0..self.inner {
                                let dst = ((o * rows + r) * cols + c) * self.inner + i;
                                f(dst, ((o * in_rows + row) * in_cols + col) * self.inner + i, down, across);
                            }
                        }
                    }
                }
            }
        }
    }

    fn sums<R: Real>(terms: Vec<Vec<R>>) -> Vec<R> {
        terms.into_iter().map(R::sum).collect()
    }
}

/// `dst [outer, to, to, inner]`.
pub fn forward<R: Real>(x: &[R], e: &Extents) -> Vec<R> {
    let mut terms = vec![Vec::new(); e.outer * e.to[0] * e.to[1] * e.inner];
    e.for_each(|d, s, down: R, across: R| terms[d].push(down * (across * x[s])));
    Extents::sums(terms)
}

/// `x_bar [outer, from, from, inner]`.
pub fn backward<R: Real>(dst_bar: &[R], e: &Extents) -> Vec<R> {
    let mut terms = vec![Vec::new(); e.outer * e.from[0] * e.from[1] * e.inner];
    e.for_each(|d, s, down: R, across: R| terms[s].push(down * (across * dst_bar[d])));
    Extents::sums(terms)
}

#[cfg(test)]
mod tests {
    use super::{Extents, forward};

    /// What PyTorch 2 returns for `interpolate([[1, 2], [3, 4]], mode="bilinear")`.
    #[test]
    fn the_grid_is_that_of_pytorch() {
        let at = |to| Extents { outer: 1, from: [2, 2], to, inner: 1 };
        let x = [1.0, 2.0, 3.0, 4.0];
        let wanted = [1.0, 1.25, 1.75, 2.0, 1.5, 1.75, 2.25, 2.5, 2.5, 2.75, 3.25, 3.5, 3.0, 3.25, 3.75, 4.0];
        assert_eq!(forward::<f64>(&x, &at([4, 4])), wanted);
        assert_eq!(forward::<f64>(&x, &at([1, 1])), [2.5]);
        let thirds = forward::<f64>(&x, &at([1, 3]));
        for (got, wanted) in thirds.iter().zip([2.0, 2.5, 3.0]) {
            approx::assert_abs_diff_eq!(*got, wanted, epsilon = 1e-15);
        }
    }
}
