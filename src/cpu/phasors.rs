//! The phasors `e^{i q θ}` of angles as pairs of real numbers, `dst = (cos qθ, sin qθ)`, for a whole `q`. Their mean
//! over the nodes is the order parameter `r e^{i ψ}` of harmonic `q` (Kuramoto 1975; Daido 1992 for `q > 1`).
//!
//! Backward: `θ_bar = q (sin_bar cos qθ - cos_bar sin qθ)`.

use super::Real;

/// `(sin qθ, cos qθ)`.
fn direction<R: Real>(theta: R, harmonic: u32) -> (R, R) {
    match harmonic {
        1 => theta.sin_cos(),
        q => (R::exact(f64::from(q)) * theta).sin_cos(),
    }
}

/// `dst`, two numbers per angle, the cosine first.
pub fn forward<R: Real>(theta: &[R], harmonic: u32) -> Vec<R> {
    let pair = |theta: &R| {
        let (sin, cos) = direction(*theta, harmonic);
        [cos, sin]
    };
    theta.iter().flat_map(pair).collect()
}

/// `theta_bar`.
pub fn backward<R: Real>(theta: &[R], dst_bar: &[R], harmonic: u32) -> Vec<R> {
    let pull = |(theta, bar): (&R, &[R])| {
        let (sin, cos) = direction(*theta, harmonic);
        R::exact(f64::from(harmonic)) * (bar[1] * cos - bar[0] * sin)
    };
    theta.iter().zip(dst_bar.chunks_exact(2)).map(pull).collect()
}
