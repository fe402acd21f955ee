//! Samples shortened to a share of another's length,
//! ```text
//! dst = x min(1, limit |r| / |x|)
//! ```
//! with Euclidean norms over the elements of a sample. Source: the bound on `|Jᵀ v|` of the attractor models' code
//! (arXiv 2605.12466).

use super::Real;

/// The shortened samples `[samples, len]`.
pub fn forward<R: Real>(x: &[R], r: &[R], len: usize, limit: f64) -> Vec<R> {
    let samples = x.chunks(len.max(1)).zip(r.chunks(len.max(1)));
    samples
        .flat_map(|(x, r)| {
            let (size, most) = (R::dot(x, x).sqrt(), R::constant(limit) * R::dot(r, r).sqrt());
            let share = if size.value() > most.value() { most / size } else { R::exact(1.0) };
            x.iter().map(move |x| *x * share)
        })
        .collect()
}
