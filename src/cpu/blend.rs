//! `dst = m a + (1 - m) b` with one `m` per position, the same for all channels.
//!
//! Backward, `g` the cotangent: `a_bar = m g, b_bar = (1 - m) g, m_bar = sum over the channels of g (a - b)`.

use super::{Channels, Real};

/// `dst`, of the extents of `a` and `b`.
pub fn forward<R: Real>(a: &[R], b: &[R], mask: &[R], at: &Channels) -> Vec<R> {
    (0..a.len())
        .map(|e| {
            let m = mask[at.position(e)];
            m * a[e] + (R::exact(1.0) - m) * b[e]
        })
        .collect()
}

/// `[a_bar, b_bar, mask_bar]`.
pub fn backward<R: Real>(a: &[R], b: &[R], mask: &[R], dst_bar: &[R], at: &Channels) -> [Vec<R>; 3] {
    let m = |e: usize| mask[at.position(e)];
    let a_bar = (0..a.len()).map(|e| m(e) * dst_bar[e]).collect();
    let b_bar = (0..a.len()).map(|e| (R::exact(1.0) - m(e)) * dst_bar[e]).collect();
    let term = |e: usize| dst_bar[e] * (a[e] - b[e]);
    let mask_bar = (0..at.positions()).map(|p| R::sum((0..at.channels).map(|c| term(at.index(p, c))))).collect();
    [a_bar, b_bar, mask_bar]
}
