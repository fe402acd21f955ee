//! Rows of a table, laid along a new axis:
//! ```text
//! dst[o, d, i] = table[indices[o, i], d]
//! ```
//! An index past the table gives NaN. Backward: `table_bar[v, d]` is the sum of `dst_bar[o, d, i]` over all positions
//! whose index is `v`; positions with an index past the table contribute nothing.

use super::{Channels, Real};

fn row<R: Real>(index: R) -> usize {
    index.value().round() as usize
}

/// `dst [outer, D, inner]`; `at.channels` is `D`.
pub fn forward<R: Real>(indices: &[R], table: &[R], at: &Channels) -> Vec<R> {
    (0..at.positions() * at.channels)
        .map(|e| {
            let d = e / at.inner % at.channels;
            table.get(row(indices[at.position(e)]) * at.channels + d).copied().unwrap_or(R::exact(f64::NAN))
        })
        .collect()
}

/// `table_bar`; `len` elements.
pub fn backward<R: Real>(indices: &[R], len: usize, dst_bar: &[R], at: &Channels) -> Vec<R> {
    let mut terms = vec![Vec::new(); len];
    for (p, index) in indices.iter().enumerate() {
        for d in 0..at.channels {
            if let Some(terms) = terms.get_mut(row(*index) * at.channels + d) {
                terms.push(dst_bar[at.index(p, d)]);
            }
        }
    }
    terms.into_iter().map(R::sum).collect()
}
