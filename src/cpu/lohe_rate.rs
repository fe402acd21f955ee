//! The Kuramoto-Lohe model on the sphere in continuous time, `Ω x + P_x y` with `P_x y = y - (x . y) x`.
//!
//! Components are paired as in [`sphere_step`](super::sphere_step): `(Ω x)_2p = w_p x_2p+1, (Ω x)_2p+1 = -w_p x_2p`, here with
//! frequencies of each node. Source: Lohe, Non-Abelian Kuramoto models and synchronization (2009).
//!
//! Backward, `g` the cotangent: `y_bar = g - (x . g) x`, `x_bar = Ωᵀ g - (x . y) g - (x . g) y`,
//! `w_bar[i, p] = sum_b (g_2p x_2p+1 - g_2p+1 x_2p)`.

use super::Real;

/// `Ω v` for one oscillator, `sign` 1, or `Ωᵀ v`, `sign` -1; nothing without frequencies.
fn turned<R: Real>(v: &[R], w: &[R], k: usize, sign: f64) -> Option<R> {
    let frequency = *w.get(k / 2)?;
    let other = if k.is_multiple_of(2) { v[k + 1] } else { -v[k - 1] };
    Some(R::exact(sign) * frequency * other)
}

/// The frequencies of oscillator `i`.
fn frequencies<R>(w: &[R], i: usize, n: usize) -> &[R] {
    if w.is_empty() {
        return w;
    }
    let nodes = w.len() / (n / 2);
    &w[i % nodes * (n / 2)..][..n / 2]
}

/// `[batch, nodes, n]`; `w` is empty or `[nodes, n / 2]`.
pub fn forward<R: Real>(x: &[R], y: &[R], w: &[R], n: usize) -> Vec<R> {
    let mut dst = Vec::with_capacity(x.len());
    for (i, (x, y)) in x.chunks(n).zip(y.chunks(n)).enumerate() {
        let (along, w) = (R::dot(x, y), frequencies(w, i, n));
        dst.extend((0..n).map(|k| {
            let rate = y[k] - along * x[k];
            turned(x, w, k, 1.0).map_or(rate, |turn| rate + turn)
        }));
    }
    dst
}

/// `[x_bar, y_bar, w_bar]`.
pub fn backward<R: Real>(x: &[R], y: &[R], w: &[R], dst_bar: &[R], n: usize) -> [Vec<R>; 3] {
    let (mut x_bar, mut y_bar) = (Vec::with_capacity(x.len()), Vec::with_capacity(x.len()));
    let mut terms = vec![Vec::new(); w.len()];
    for (i, ((x, y), g)) in x.chunks(n).zip(y.chunks(n)).zip(dst_bar.chunks(n)).enumerate() {
        let (xy, xg, own) = (R::dot(x, y), R::dot(x, g), frequencies(w, i, n));
        for k in 0..n {
            let bar = -(xy * g[k]) - xg * y[k];
            x_bar.push(turned(g, own, k, -1.0).map_or(bar, |turn| bar + turn));
            y_bar.push(g[k] - xg * x[k]);
        }
        if !own.is_empty() {
            let nodes = w.len() / own.len();
            for p in 0..own.len() {
                terms[i % nodes * own.len() + p].push(g[2 * p] * x[2 * p + 1] - g[2 * p + 1] * x[2 * p]);
            }
        }
    }
    [x_bar, y_bar, terms.into_iter().map(R::sum).collect()]
}
