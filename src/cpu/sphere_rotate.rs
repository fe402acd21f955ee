//! Rotation of pairs of components, `exp(angle Ω)` with the `Ω` of [`sphere_step`](super::sphere_step): with `a = angle w_p`
//! ```text
//! dst_2p = cos(a) x_2p + sin(a) x_2p+1,   dst_2p+1 = cos(a) x_2p+1 - sin(a) x_2p
//! ```
//! Backward, `g` the cotangent: `x_bar` is `g` turned the other way round,
//! `w_bar[i, p] = angle sum_b (g_2p dst_2p+1 - g_2p+1 dst_2p)`.

use super::Real;

fn rotated<R: Real>(x: &[R], w: &[R], angle: f64, sense: f64) -> Vec<R> {
    let mut dst = Vec::with_capacity(x.len());
    for (i, pair) in x.chunks(2).enumerate() {
        let (sin, cos) = (R::exact(angle) * w[i % w.len()]).sin_cos();
        let sine = R::exact(sense) * sin;
        dst.extend([cos * pair[0] + sine * pair[1], cos * pair[1] - sine * pair[0]]);
    }
    dst
}

/// `[batch, nodes, n]` from frequencies `[nodes, n / 2]`.
pub fn forward<R: Real>(x: &[R], w: &[R], angle: f64) -> Vec<R> {
    rotated(x, w, angle, 1.0)
}

/// `[x_bar, w_bar]`.
pub fn backward<R: Real>(x: &[R], w: &[R], dst_bar: &[R], angle: f64) -> [Vec<R>; 2] {
    let dst = forward(x, w, angle);
    let mut terms = vec![Vec::new(); w.len()];
    for (i, (d, g)) in dst.chunks(2).zip(dst_bar.chunks(2)).enumerate() {
        terms[i % w.len()].push(g[0] * d[1] - g[1] * d[0]);
    }
    let w_bar = terms.into_iter().map(|terms| R::exact(angle) * R::sum(terms)).collect();
    [rotated(dst_bar, w, angle, -1.0), w_bar]
}
