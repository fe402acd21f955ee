//! The exponential map of the sphere, `cos(d) x + (sin(d) / d) v` with `d = |v|`: from `x` along the great circle of the
//! tangent vector `v`.
//!
//! Backward, `g` the cotangent and `s = sin(d) / d`: `x_bar = cos(d) g`,
//! `v_bar = s g + ((cos(d) - s) / d² (g . v) - s (g . x)) v`; at `d = 0` the factor of `g . v` is -1/3.

use super::Real;

/// `cos(d)`, `sin(d) / d`, `(cos(d) - sin(d) / d) / d²` from `d²`; below 1/2 by power series, as the shader has them.
fn turn<R: Real>(q: R) -> [R; 3] {
    if q.value() < 0.25 {
        let series = |c: &[f64]| c.iter().skip(1).fold(R::constant(c[0]), |sum, c| sum * q + R::constant(*c));
        return [
            series(&[-1.0 / 3_628_800.0, 1.0 / 40_320.0, -1.0 / 720.0, 1.0 / 24.0, -0.5, 1.0])
                + rest(q, 479_001_600.0, 6),
            series(&[1.0 / 362_880.0, -1.0 / 5040.0, 1.0 / 120.0, -1.0 / 6.0, 1.0]) - rest(q, 39_916_800.0, 5),
            series(&[-1.0 / 3_991_680.0, 1.0 / 45_360.0, -1.0 / 840.0, 1.0 / 30.0, -1.0 / 3.0])
                + rest(q, 518_918_400.0, 5),
        ];
    }
    let d = q.sqrt();
    let (sin, cos) = d.sin_cos();
    let sinc = sin / d;
    [cos, sinc, (cos - sinc) / q]
}

/// The first term that a series leaves out, `q^power / factorial`.
fn rest<R: Real>(q: R, factorial: f64, power: usize) -> R {
    (0..power).fold(R::constant(1.0 / factorial), |product, _| product * q)
}

/// `[count, n]`.
pub fn forward<R: Real>(x: &[R], v: &[R], n: usize) -> Vec<R> {
    let mut dst = Vec::with_capacity(x.len());
    for (x, v) in x.chunks(n).zip(v.chunks(n)) {
        let [cos, sinc, _] = turn(R::dot(v, v));
        dst.extend(x.iter().zip(v).map(|(x, v)| cos * *x + sinc * *v));
    }
    dst
}

/// `[x_bar, v_bar]`.
pub fn backward<R: Real>(x: &[R], v: &[R], dst_bar: &[R], n: usize) -> [Vec<R>; 2] {
    let (mut x_bar, mut v_bar) = (Vec::with_capacity(x.len()), Vec::with_capacity(x.len()));
    for ((x, v), g) in x.chunks(n).zip(v.chunks(n)).zip(dst_bar.chunks(n)) {
        let [cos, sinc, bend] = turn(R::dot(v, v));
        let along = bend * R::dot(g, v) - sinc * R::dot(g, x);
        for k in 0..n {
            x_bar.push(cos * g[k]);
            v_bar.push(sinc * g[k] + along * v[k]);
        }
    }
    [x_bar, v_bar]
}
