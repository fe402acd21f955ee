//! The number types that a reference runs on: one text, three uses.
//!
//! - `f64`: the value.
//! - [`Dual`]: the value and its exact derivative along one direction.
//! - [`Bound`]: the value and a running bound on what any conforming f32 device may be off by.

mod erfc;
mod ln_1p;
mod phase;
mod tier;

use std::ops::{Add, Div, Mul, Neg, Sub};

pub(super) use phase::series as sin_cos_series;
pub use tier::Tier;

/// Arithmetic that a reference may use.
///
/// Sums of more than two terms go through [`Real::sum`], whose error bound holds for every order
/// of summation; a device is free to choose one.
pub trait Real:
    Copy + Neg<Output = Self> + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + 'static
{
    /// A number that f32 represents exactly.
    fn exact(value: f64) -> Self;
    /// A constant that a shader rounds to f32.
    fn constant(value: f64) -> Self;
    /// The value, without derivative or bound.
    fn value(self) -> f64;
    /// Square root.
    fn sqrt(self) -> Self;
    /// Reciprocal square root.
    fn inverse_sqrt(self) -> Self;
    /// Exponential.
    fn exp(self) -> Self;
    /// Natural logarithm.
    fn ln(self) -> Self;
    /// `ln(1 + self)` for numbers in `[0, 1]`, relatively accurate, as `shaders/lib/softplus.wgsl` has it.
    fn ln_1p(self) -> Self;
    /// `(sin, cos)` of an angle of at most 10,000, as `shaders/lib/sincos.wgsl` has it.
    fn sin_cos(self) -> (Self, Self);
    /// The angle less the nearest multiple of `2π`, also of `shaders/lib/sincos.wgsl`. Its slope is 1.
    fn wrap(self) -> Self;
    /// 1 from 0 on, 0 below: Heaviside's step. Its slope is 0.
    fn heaviside(self) -> Self;
    /// Complementary error function `2/√π ∫ exp(-t²) dt` from `self` to infinity, relatively accurate in the tail.
    fn erfc(self) -> Self;
    /// The sum of all terms, in no particular order.
    fn sum(terms: impl IntoIterator<Item = Self>) -> Self;

    /// Zero.
    fn zero() -> Self {
        Self::exact(0.0)
    }
    /// Absolute value.
    fn abs(self) -> Self {
        if self.value() < 0.0 { -self } else { self }
    }
    /// The larger by value.
    fn max(self, other: Self) -> Self {
        if other.value() > self.value() { other } else { self }
    }
    /// `sum a_i b_i`.
    fn dot(a: &[Self], b: &[Self]) -> Self {
        Self::sum(a.iter().zip(b).map(|(a, b)| *a * *b))
    }
}

impl Real for f64 {
    fn exact(value: f64) -> f64 {
        value
    }
    fn constant(value: f64) -> f64 {
        value
    }
    fn value(self) -> f64 {
        self
    }
    fn sqrt(self) -> f64 {
        f64::sqrt(self)
    }
    fn inverse_sqrt(self) -> f64 {
        1.0 / f64::sqrt(self)
    }
    fn exp(self) -> f64 {
        f64::exp(self)
    }
    fn ln(self) -> f64 {
        f64::ln(self)
    }
    fn ln_1p(self) -> f64 {
        f64::ln_1p(self)
    }
    fn sin_cos(self) -> (f64, f64) {
        f64::sin_cos(self)
    }
    fn wrap(self) -> f64 {
        phase::wrap(self)
    }
    fn heaviside(self) -> f64 {
        if self >= 0.0 { 1.0 } else { 0.0 }
    }
    fn erfc(self) -> f64 {
        erfc::erfc(self)
    }
    fn sum(terms: impl IntoIterator<Item = f64>) -> f64 {
        terms.into_iter().sum()
    }
}

/// A value and its derivative along one direction: forward-mode differentiation, exact to f64 rounding.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dual {
    /// The value.
    pub value: f64,
    /// The derivative.
    pub tangent: f64,
}

impl Dual {
    fn chain(value: f64, slope: f64, x: Dual) -> Dual {
        Dual { value, tangent: slope * x.tangent }
    }
}

impl Neg for Dual {
    type Output = Dual;
    fn neg(self) -> Dual {
        Dual { value: -self.value, tangent: -self.tangent }
    }
}
impl Add for Dual {
    type Output = Dual;
    fn add(self, o: Dual) -> Dual {
        Dual { value: self.value + o.value, tangent: self.tangent + o.tangent }
    }
}
impl Sub for Dual {
    type Output = Dual;
    fn sub(self, o: Dual) -> Dual {
        self + -o
    }
}
impl Mul for Dual {
    type Output = Dual;
    fn mul(self, o: Dual) -> Dual {
        Dual { value: self.value * o.value, tangent: self.tangent * o.value + self.value * o.tangent }
    }
}
impl Div for Dual {
    type Output = Dual;
    fn div(self, o: Dual) -> Dual {
        let value = self.value / o.value;
        Dual { value, tangent: (self.tangent - value * o.tangent) / o.value }
    }
}

impl Real for Dual {
    fn exact(value: f64) -> Dual {
        Dual { value, tangent: 0.0 }
    }
    fn constant(value: f64) -> Dual {
        Dual::exact(value)
    }
    fn value(self) -> f64 {
        self.value
    }
    fn sqrt(self) -> Dual {
        let r = self.value.sqrt();
        Dual::chain(r, 0.5 / r, self)
    }
    fn inverse_sqrt(self) -> Dual {
        let r = 1.0 / self.value.sqrt();
        Dual::chain(r, -0.5 * r / self.value, self)
    }
    fn exp(self) -> Dual {
        let e = self.value.exp();
        Dual::chain(e, e, self)
    }
    fn ln(self) -> Dual {
        Dual::chain(self.value.ln(), 1.0 / self.value, self)
    }
    fn ln_1p(self) -> Dual {
        Dual::chain(self.value.ln_1p(), 1.0 / (1.0 + self.value), self)
    }
    fn sin_cos(self) -> (Dual, Dual) {
        let (sin, cos) = self.value.sin_cos();
        (Dual::chain(sin, cos, self), Dual::chain(cos, -sin, self))
    }
    fn wrap(self) -> Dual {
        Dual { value: phase::wrap(self.value), ..self }
    }
    fn heaviside(self) -> Dual {
        Dual::exact(self.value.heaviside())
    }
    fn erfc(self) -> Dual {
        let slope = -std::f64::consts::FRAC_2_SQRT_PI * (-self.value * self.value).exp();
        Dual::chain(Real::erfc(self.value), slope, self)
    }
    fn sum(terms: impl IntoIterator<Item = Dual>) -> Dual {
        terms.into_iter().fold(Dual::exact(0.0), |a, b| a + b)
    }
}

/// Smallest normal f32; a device may flush any smaller result or operand to zero.
const FLUSH: f64 = 1.1754943508222875e-38;

/// A value and, per [`Tier`], a bound on the error of the same computation in f32.
///
/// Each operation propagates the operands' bounds to first and second order and adds its own
/// rounding, so the bound of a result holds for every fusion into multiply-adds.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// The value in f64.
    pub value: f64,
    /// Error bounds in the order of [`Tier::ALL`].
    pub error: [f64; 2],
}

impl Bound {
    fn build(value: f64, error: impl Fn(Tier, usize) -> f64) -> Bound {
        Bound { value, error: [error(Tier::Hard, 0), error(Tier::Calibrated, 1)] }
    }

    /// The bound after one store to f16: relative `2^-10` (either neighbour) or `2^-11` (nearest),
    /// and subnormals that may be flushed (`2^-14`) or are rounded to multiples of `2^-24`.
    pub fn stored_as_f16(self) -> Bound {
        Bound::build(self.value, |tier, t| {
            let (relative, floor) = match tier {
                Tier::Hard => (f64::powi(2.0, -10), f64::powi(2.0, -14)),
                Tier::Calibrated => (f64::powi(2.0, -11), f64::powi(2.0, -24)),
            };
            self.error[t] + relative * (self.value.abs() + self.error[t]) + floor
        })
    }
}

impl Neg for Bound {
    type Output = Bound;
    fn neg(self) -> Bound {
        Bound { value: -self.value, error: self.error }
    }
}
impl Add for Bound {
    type Output = Bound;
    fn add(self, o: Bound) -> Bound {
        let value = self.value + o.value;
        if self.is_zero() || o.is_zero() {
            return Bound { value, error: [self.error[0] + o.error[0], self.error[1] + o.error[1]] };
        }
        Bound::build(value, |tier, t| {
            let carried = self.error[t] + o.error[t];
            carried + tier.unit() * (value.abs() + carried) + FLUSH
        })
    }
}
impl Sub for Bound {
    type Output = Bound;
    fn sub(self, o: Bound) -> Bound {
        self + -o
    }
}
impl Mul for Bound {
    type Output = Bound;
    fn mul(self, o: Bound) -> Bound {
        let value = self.value * o.value;
        Bound::build(value, |tier, t| {
            let (a, b) = (self.error[t], o.error[t]);
            let carried = self.value.abs() * b + o.value.abs() * a + a * b;
            if value == 0.0 && carried == 0.0 {
                return 0.0;
            }
            carried + tier.unit() * (value.abs() + carried) + FLUSH
        })
    }
}
impl Div for Bound {
    type Output = Bound;
    fn div(self, o: Bound) -> Bound {
        let value = self.value / o.value;
        Bound::build(value, |tier, t| {
            let (a, b) = (self.error[t], o.error[t]);
            // |(x + a)/(y + b) - x/y| <= (a + |x/y| b) / (|y| - b); a divisor that may be zero bounds nothing.
            let room = o.value.abs() - b;
            if room <= 0.0 {
                return f64::INFINITY;
            }
            let carried = (a + value.abs() * b) / room;
            if value == 0.0 && carried == 0.0 {
                return 0.0;
            }
            carried + tier.builtin(2.5, 0.5) * (value.abs() + carried) + FLUSH
        })
    }
}

impl Bound {
    fn is_zero(self) -> bool {
        self.value == 0.0 && self.error == [0.0; 2]
    }

    /// `f` is monotone; the carried error is the larger change over the operand's interval.
    fn monotone(self, f: impl Fn(f64) -> f64, low: f64, own: impl Fn(Tier) -> f64) -> Bound {
        let value = f(self.value);
        Bound::build(value, |tier, t| {
            let (a, b) = ((self.value - self.error[t]).max(low), self.value + self.error[t]);
            let carried = (f(a) - value).abs().max((f(b) - value).abs());
            if carried.is_nan() { f64::INFINITY } else { carried + own(tier) * (value.abs() + carried) + FLUSH }
        })
    }
}

impl Real for Bound {
    fn exact(value: f64) -> Bound {
        Bound { value, error: [0.0; 2] }
    }
    fn constant(value: f64) -> Bound {
        Bound::build(value, |tier, _| tier.unit() * value.abs())
    }
    fn value(self) -> f64 {
        self.value
    }
    // sqrt(x) is specified as 1 / inverseSqrt(x): 2 ulp and the division's 2.5.
    fn sqrt(self) -> Bound {
        self.monotone(f64::sqrt, 0.0, |tier| tier.builtin(4.5, 0.5))
    }
    fn inverse_sqrt(self) -> Bound {
        self.monotone(|x| 1.0 / x.sqrt(), 0.0, |tier| tier.builtin(2.0, 1.5))
    }
    // Specified to 3 + 2 |x| ulp; software drivers reach 0.9 |x|, and twice that is no tighter.
    fn exp(self) -> Bound {
        let ulps = 3.0 + 2.0 * (self.value.abs() + self.error[0]);
        self.monotone(f64::exp, f64::NEG_INFINITY, |_| ulps * f64::powi(2.0, -23))
    }
    // Specified to 2^-21 between 1/2 and 2, where software drivers are off by 1.5e-7, and to 3 ulp elsewhere.
    fn ln(self) -> Bound {
        let near_one = (self.value - self.error[0]) <= 2.0 && (self.value + self.error[0]) >= 0.5;
        let mut bound = self.monotone(f64::ln, 0.0, |tier| tier.builtin(3.0, 3.0));
        if near_one {
            for (error, own) in bound.error.iter_mut().zip([f64::powi(2.0, -21), 3e-7]) {
                *error += own;
            }
        }
        bound
    }
    fn ln_1p(self) -> Bound {
        ln_1p::bound(self)
    }
    fn sin_cos(self) -> (Bound, Bound) {
        phase::bound(self)
    }
    fn wrap(self) -> Bound {
        phase::wrap_bound(self)
    }
    // Where the operand may be on either side, so may the result.
    fn heaviside(self) -> Bound {
        let apart = |t: usize| self.value >= self.error[t] || self.value < -self.error[t];
        Bound::build(self.value.heaviside(), |_, t| if apart(t) { 0.0 } else { 1.0 })
    }
    fn erfc(self) -> Bound {
        erfc::bound(self)
    }
    fn sum(terms: impl IntoIterator<Item = Bound>) -> Bound {
        let (mut value, mut count, mut size, mut carried) = (0.0, 0usize, [0.0; 2], [0.0; 2]);
        for term in terms {
            // Adding an exact zero rounds nothing: only nonzero terms count.
            if term.is_zero() {
                continue;
            }
            count += 1;
            value += term.value;
            for t in 0..2 {
                size[t] += term.value.abs() + term.error[t];
                carried[t] += term.error[t];
            }
        }
        if count < 2 {
            return Bound { value, error: carried };
        }
        Bound::build(value, |tier, t| carried[t] + tier.gamma(count - 1) * size[t] + count as f64 * FLUSH)
    }
}

#[cfg(test)]
mod tests;
