//! Oscillators in constant fields, `dx/dt = P_x h = h - (x . h) x` on the unit sphere, step by step until `|x - u|` is at
//! most a tolerance, `u = h / |h|`. What fixed-query attention's closed form `x* = u` is the limit of (arXiv 2606.12059).
//!
//! The field is constant, so `x = c u + s w` stays in the plane of `u` and `w`, the unit vector of `x - (x . u) u`. With
//! `a = dt |h|` and `f(c, s) = a (1 - c², -c s)` one step and then a division by the norm is
//! ```text
//! Euler         (c, s) + f(c, s)                    converges from everywhere but -u iff a < 2; past 2 a cycle of two remains
//! Runge-Kutta   of fourth order on f                the same up to a = 2.785, where |1 - a + a²/2 - a³/6 + a⁴/24| = 1
//! exact         tan(phi / 2) -> exp(-a) tan(phi / 2),   (c, s) = (cos phi, sin phi)
//! ```
//! A field below the norm's clamp of 1e-12 moves nothing. Every division keeps rounding errors from growing off the sphere.

use super::Real;
use super::sphere_normalize::normalize;

/// Which step.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum FlowMethod {
    /// The exact flow of the constant field, stable for every step.
    #[default]
    Exact,
    /// Projected Euler and a division by the norm: AKOrN's step. Needs `dt |h| < 2`.
    Euler,
    /// Runge-Kutta of fourth order and a division by the norm. Needs `dt |h| < 2.785`.
    RungeKutta,
}

/// How oscillators are run to their equilibrium.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct FlowOptions {
    /// Which step.
    pub method: FlowMethod,
    /// Time of one step, in the inverse unit of the field.
    pub dt: f32,
    /// Steps at most.
    pub steps: u32,
    /// An oscillator stops where `|x - h/|h||` is at most this.
    pub tolerance: f32,
}

impl FlowOptions {
    /// Exact steps of `dt`, at most 1000, to within 1e-6.
    pub fn new(method: FlowMethod, dt: f32) -> FlowOptions {
        FlowOptions { method, dt, steps: 1000, tolerance: 1e-6 }
    }
}

/// A point of the plane.
type Point<R> = [R; 2];

fn slope<R: Real>([c, s]: Point<R>, a: R) -> Point<R> {
    [a * (R::exact(1.0) - c * c), -a * (c * s)]
}

fn moved<R: Real>(p: Point<R>, k: Point<R>, scale: f64) -> Point<R> {
    [p[0] + R::exact(scale) * k[0], p[1] + R::exact(scale) * k[1]]
}

/// One step before the division by the norm.
fn advance<R: Real>(p: Point<R>, a: R, method: FlowMethod) -> Point<R> {
    match method {
        FlowMethod::Euler => moved(p, slope(p, a), 1.0),
        FlowMethod::RungeKutta => {
            let k1 = slope(p, a);
            let k2 = slope(moved(p, k1, 0.5), a);
            let k3 = slope(moved(p, k2, 0.5), a);
            let k4 = slope(moved(p, k3, 1.0), a);
            let mean = |m: usize| (k1[m] + R::exact(2.0) * (k2[m] + k3[m]) + k4[m]) / R::exact(6.0);
            [p[0] + mean(0), p[1] + mean(1)]
        }
        FlowMethod::Exact => {
            let [c, s] = p;
            // (cos, sin) of half the angle up to a factor, taken where nothing cancels.
            let [x, y] = if c.value() > 0.0 { [R::exact(1.0) + c, s] } else { [s, R::exact(1.0) - c] };
            let y = y * (-if a.value() < 80.0 { a } else { R::exact(80.0) }).exp();
            let largest = x.abs().max(y.abs());
            let (x, y) = (x / largest, y / largest);
            [x * x - y * y, R::exact(2.0) * (x * y)]
        }
    }
}

fn length<R: Real>(p: Point<R>) -> R {
    let largest = p[0].abs().max(p[1].abs());
    if largest.value() < 1e-20 {
        return R::zero();
    }
    let q = p.map(|v| v / largest);
    largest * (q[0] * q[0] + q[1] * q[1]).sqrt()
}

/// `|x - u|`, near `u` without a difference of nearly equal numbers. A long step passes `u`, and `s` changes its sign.
fn apart<R: Real>([c, s]: Point<R>) -> R {
    if c.value() > 0.0 {
        return s.abs() * (R::exact(2.0) / (R::exact(1.0) + c)).sqrt();
    }
    length([R::exact(1.0) - c, s])
}

/// The states `[count, n]`, and per oscillator the steps taken and the distance `|x - u|` that is left.
pub fn forward<R: Real>(x: &[R], h: &[R], n: usize, options: &FlowOptions) -> [Vec<R>; 3] {
    let (mut dst, mut taken, mut left) = (vec![], vec![], vec![]);
    for (x, h) in x.chunks_exact(n.max(1)).zip(h.chunks_exact(n.max(1))) {
        let u = normalize(h);
        let largest = h.iter().fold(R::zero(), |m, h| m.max(h.abs()));
        let clamped = largest.value() < 1e-20 || (R::dot(h, h).value().sqrt()) < super::sphere_normalize::CLAMP;
        let norm = if clamped {
            R::zero()
        } else {
            let scaled: Vec<R> = h.iter().map(|h| *h / largest).collect();
            largest / R::dot(&scaled, &scaled).inverse_sqrt()
        };
        let a = R::exact(f64::from(options.dt)) * norm;
        let start = R::dot(x, &u);
        let across: Vec<R> = x.iter().zip(&u).map(|(x, u)| *x - start * *u).collect();
        let square = R::dot(&across, &across);
        let width = if square.value() > 0.0 { square.sqrt() } else { R::zero() };
        let mut p = [start, width];
        let mut steps = 0;
        while steps < options.steps && apart(p).value() > f64::from(options.tolerance) {
            let next = advance(p, a, options.method);
            let norm = length(next);
            p = next.map(|v| v / norm);
            steps += 1;
        }
        let stretch = if width.value() > 0.0 { p[1] / width } else { R::zero() };
        dst.extend(u.iter().zip(&across).map(|(u, across)| p[0] * *u + stretch * *across));
        taken.push(R::exact(f64::from(steps)));
        left.push(apart(p));
    }
    [dst, taken, left]
}
