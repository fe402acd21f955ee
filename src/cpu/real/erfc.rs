//! The complementary error function: its value in f64, and what `shaders/lib/erfc.wgsl` may be off by.

use std::f64::consts::FRAC_2_SQRT_PI;

use super::{Bound, FLUSH, Tier};

/// Terms of the continued fraction: 2e-17 relative at 1.5, less beyond.
const TERMS: usize = 100;

/// `erfc(x)` within 1e-15; relative to itself within 3e-14 below 1.5 (the worst is there, where it is a difference), and
/// beyond within 1e-15 and, since `exp` carries the rounding of `x²`, `x²` times 2.3e-16.
///
/// Below 1.5 by the series of positive terms
/// `erf(z) = 2/√π exp(-z²) (z + 2 z³/3 + 4 z⁵/15 + ..)`, above by the continued fraction
/// `erfc(z) = exp(-z²) / √π / (z + (1/2)/(z + 1/(z + (3/2)/(z + ..))))` (Abramowitz and Stegun 7.1.6, 7.1.14).
pub(super) fn erfc(x: f64) -> f64 {
    let z = x.abs();
    // Past 28 the value is below every f64; the limit keeps infinities out of the fraction.
    let tail = match z {
        z if z < 1.5 => 1.0 - series(z),
        z => fraction(z.clamp(1.5, 40.0)),
    };
    if x < 0.0 { 2.0 - tail } else { tail }
}

fn series(z: f64) -> f64 {
    let (mut term, mut sum, mut n) = (z, z, 0.0);
    while term > sum * 1e-18 {
        n += 1.0;
        term *= 2.0 * z * z / (2.0 * n + 1.0);
        sum += term;
    }
    FRAC_2_SQRT_PI * (-z * z).exp() * sum
}

fn fraction(z: f64) -> f64 {
    let below = (1..=TERMS).rev().fold(z, |f, n| z + 0.5 * n as f64 / f);
    0.5 * FRAC_2_SQRT_PI * (-z * z).exp() / below
}

/// Units in the last place of the shader's `f(t) / (1 + 2 z)`, without its exponential: roundings of `t` 4, of the
/// polynomial 4.2 (`sum (2 j + 1) |c_j|` at `t = -1`, the worst), its own error and that of its coefficients 0.2, the
/// product with the exponential 1, `1 + 2 z` 1, the division 2.5. Measured with rounding to nearest: 1.9.
const ULPS: f64 = 13.0;
const MEASURED: f64 = 1.9;

/// Relative error of the shader at `z >= 0`: [`ULPS`], the exponential's `3 + 2 z²` and the rounding of `z²`.
fn own(tier: Tier, z: f64) -> f64 {
    let square = (z * z).min(200.0);
    tier.builtin(ULPS, MEASURED) + (3.0 + 2.0 * square) * f64::powi(2.0, -23) + square * tier.unit()
}

/// `erfc` of a number with a bound. On the left the shader subtracts from 2, which rounds once more.
pub(super) fn bound(x: Bound) -> Bound {
    let value = erfc(x.value);
    Bound::build(value, |tier, t| {
        let (low, high) = (x.value - x.error[t], x.value + x.error[t]);
        let (most, least) = (erfc(low), erfc(high));
        let carried = (most - value).max(value - least);
        if carried.is_nan() {
            return f64::INFINITY;
        }
        let farthest = low.abs().max(high.abs());
        let nearest = if low <= 0.0 && high >= 0.0 { 0.0 } else { low.abs().min(high.abs()) };
        let subtraction = if low < 0.0 { tier.unit() * most } else { 0.0 };
        carried + own(tier, farthest) * erfc(nearest) + subtraction + FLUSH
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // The nearest f64, from an arbitrary-precision evaluation of the integral.
    const VALUES: &[(f64, f64)] = &[
        (0.001, 0.9988716212090307),
        (0.25, 0.7236736098317631),
        (0.75, 0.28884436634648486),
        (1.25, 0.07709987174354177),
        (1.5, 0.033894853524689274),
        (1.75, 0.013328328780817557),
        (2.5, 0.0004069520174449589),
        (4.0, 1.541725790028002e-08),
        (7.0, 4.183825607779414e-23),
        (12.0, 1.3562611692059042e-64),
        (25.0, 8.300172571196523e-274),
        (-0.5, 1.5204998778130465),
        (-1.75, 1.9866716712191823),
        (-6.0, 2.0),
    ];

    #[test]
    fn values_are_right_to_the_last_digits() {
        for (x, wanted) in VALUES {
            let allowed = 1e-15 + 2.3e-16 * x * x;
            assert!((erfc(*x) / wanted - 1.0).abs() <= allowed, "erfc({x}) is {:e}, {wanted:e} wanted", erfc(*x));
        }
        assert_eq!((erfc(0.0), erfc(1e300), erfc(-1e300)), (1.0, 0.0, 2.0));
        assert!(erfc(f64::NAN).is_nan());
    }

    /// The shader's text in f32, with the host's exponential: what the derivation counts must cover it.
    #[test]
    fn the_bound_covers_the_shader_in_f32() {
        let text = include_str!("../../../shaders/lib/erfc.wgsl");
        // The leading coefficient, then `sum = sum * t + c` downwards.
        let number = |rest: &str| rest.trim_end_matches(';').replace(' ', "").parse::<f32>().unwrap();
        let c: Vec<f32> = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("var sum = ").or(line.trim().strip_prefix("sum = sum * t ")))
            .map(number)
            .collect();
        assert_eq!(c.len(), 11);
        let mut worst = [0.0f64; 2];
        for i in -20_000..20_000 {
            let x = i as f32 * 5e-4;
            let z = x.abs().min(10.0);
            let t = (z - 2.0) / (z + 2.0);
            let p = c.iter().fold(0.0f32, |sum, c| sum * t + c);
            let tail = (-z * z).exp() * p / (1.0 + 2.0 * z);
            let got = f64::from(if x < 0.0 { 2.0 - tail } else { tail });
            let want = bound(Bound { value: f64::from(x), error: [0.0; 2] });
            for (worst, error) in worst.iter_mut().zip(want.error) {
                *worst = worst.max((got - want.value).abs() / error);
            }
        }
        assert!(worst[0] <= worst[1] && worst[1] <= 1.0 && worst[1] > 0.1, "{worst:?}");
    }
}
