//! Sine, cosine and the wrapping of angles: values in f64, and what `shaders/lib/sincos.wgsl` may be off by.
//!
//! The shader subtracts `n π/2` (or `n 2π`) in three parts, the first two of 11 bits: up to `n = 2^13` their products with
//! `n` are exact, and so is the first subtraction. The other two round a number below `π/4` (or `π`). The language lets a
//! compiler reassociate the subtractions, and then they round numbers as large as the angle: the hard tier allows for it.

use std::f64::consts::{FRAC_PI_4, PI, TAU};

use super::{Bound, Real, Tier};

/// The largest angle whose reduction is exact as said above.
const LARGEST: f64 = 1e4;

/// What the series leave out on `[-π/4, π/4]`: `a^11 / 11!` of the sine, `a^12 / 12!` of the cosine.
const TRUNCATION: f64 = 2e-9;

/// `(sin, cos)` of an angle in `[-π/4, π/4]` by Taylor series of degrees 9 and 10.
pub(in crate::cpu) fn series<R: Real>(a: R) -> (R, R) {
    let q = a * a;
    let horner = |c: [f64; 5]| c.into_iter().skip(1).fold(R::constant(c[0]), |sum, c| sum * q + R::constant(c));
    let sin = a * horner([1.0 / 362_880.0, -1.0 / 5040.0, 1.0 / 120.0, -1.0 / 6.0, 1.0]);
    let cos = horner([1.0 / 40_320.0, -1.0 / 720.0, 1.0 / 24.0, -0.5, 1.0])
        - q * q * q * q * q * R::constant(1.0 / 3_628_800.0);
    (sin, cos)
}

/// The angle less the nearest multiple of `2π`.
pub(super) fn wrap(x: f64) -> f64 {
    x - TAU * (x / TAU).round()
}

/// What subtracting multiples of a period leaves uncertain, for angles up to `most` and results up to `left`.
fn reduction(tier: Tier, most: f64, left: f64) -> f64 {
    match tier {
        // Three products and three differences of numbers as large as the angle.
        Tier::Hard => 6.0 * tier.unit() * (most + left),
        Tier::Calibrated => 2.0 * tier.unit() * left,
    }
}

/// `(sin, cos)` of an angle with a bound: slopes are at most 1.
pub(super) fn bound(x: Bound) -> (Bound, Bound) {
    let most = |t: usize| x.value.abs() + x.error[t];
    // Well below π/4 no device subtracts anything.
    let near = most(0) < 0.78;
    let own: [[f64; 2]; 2] = std::array::from_fn(|t| {
        let tier = Tier::ALL[t];
        let lost = if near { 0.0 } else { reduction(tier, most(t), FRAC_PI_4) };
        let at = Bound { value: if near { most(t) } else { FRAC_PI_4 }, error: [lost; 2] };
        let (sin, cos) = series(at);
        let [sin, cos] = [sin.error[t], cos.error[t]].map(|error| error + TRUNCATION);
        match most(t) {
            past if past.is_nan() || past > LARGEST => [f64::INFINITY; 2],
            _ if near => [sin, cos],
            _ => [sin.max(cos); 2],
        }
    });
    let (sin, cos) = x.value.sin_cos();
    let of = |value: f64, which: usize| match (x.value, x.error) {
        (0.0, [0.0, 0.0]) => Bound::exact(value),
        _ => Bound::build(value, |_, t| x.error[t] + own[t][which]),
    };
    (of(sin, 0), of(cos, 1))
}

/// [`wrap`] of an angle with a bound: close to `±π` either end is right.
pub(super) fn wrap_bound(x: Bound) -> Bound {
    let value = wrap(x.value);
    Bound::build(value, |tier, t| {
        let most = x.value.abs() + x.error[t];
        if most.is_nan() || most > LARGEST {
            return f64::INFINITY;
        }
        let error = x.error[t] + if most < PI - 1e-3 { 0.0 } else { reduction(tier, most, PI) };
        // The number of periods is the nearest integer to a product that is rounded, of a constant that is.
        if PI - value.abs() <= error + 2.0 * tier.unit() * most { error + TAU } else { error }
    })
}

#[cfg(test)]
mod tests {
    use std::f64::consts::FRAC_PI_2;

    use super::*;

    /// The parts of `π/2` in the shader; those of `2π` are four times as large.
    const PARTS: [f32; 3] = [1.5703125, 4.837_513e-4, 7.549_79e-8];

    fn reduced(x: f32, n: f32, times: f32) -> f32 {
        PARTS.iter().fold(x, |x, part| x - n * (times * part))
    }

    /// The shader's text in f32.
    fn shader(x: f32) -> (f32, f32) {
        let n = (x * std::f32::consts::FRAC_2_PI).round_ties_even();
        let a = reduced(x, n, 1.0);
        let q = a * a;
        let sin = a * ((((2.755_731_9e-6 * q - 0.000_198_412_7) * q + 0.008_333_333) * q - 0.166_666_67) * q + 1.0);
        let cos =
            ((((-2.755_732e-7 * q + 2.480_158_7e-5) * q - 0.001_388_888_9) * q + 0.041_666_668) * q - 0.5) * q + 1.0;
        match (n as i32).rem_euclid(4) {
            0 => (sin, cos),
            1 => (cos, -sin),
            2 => (-sin, -cos),
            _ => (-cos, sin),
        }
    }

    #[test]
    fn parts_are_those_of_the_shader_and_add_up() {
        let text = include_str!("../../../shaders/lib/sincos.wgsl");
        for (name, period, times) in [("HALF_PI", FRAC_PI_2, 1.0), ("TAU", TAU, 4.0)] {
            let mut sum = 0.0;
            for (part, wanted) in ["HIGH", "MIDDLE", "LOW"].iter().zip(PARTS) {
                let start = format!("const {name}_{part}: f32 = ");
                let line = text.lines().find_map(|line| line.strip_prefix(&start)).unwrap();
                let found: f32 = line.trim_end_matches(';').parse().unwrap();
                assert_eq!(found, times as f32 * wanted, "{name}_{part}");
                sum += f64::from(found);
            }
            assert!((sum - period).abs() < 1e-14, "{name}: {}", sum - period);
        }
        for part in &PARTS[..2] {
            assert_eq!(part.to_bits() & 0x1FFF, 0, "{part} has more than 11 bits");
        }
    }

    #[test]
    fn series_and_bounds_cover_f32_to_three_parts_in_ten_million() {
        let (mut worst, mut largest) = (0.0f64, 0.0f64);
        for i in 0..200_000u32 {
            let x = (i as f32 - 100_000.0) * 0.0999;
            let (sin, cos) = shader(x);
            let (want_sin, want_cos) = bound(Bound::exact(f64::from(x)));
            for (got, want) in [(sin, want_sin), (cos, want_cos)] {
                let error = (f64::from(got) - want.value).abs();
                worst = worst.max(if error == 0.0 { 0.0 } else { error / want.error[1] });
                largest = largest.max(error);
                assert!(want.error[0] >= want.error[1] || x == 0.0);
            }
        }
        assert!(worst <= 1.0 && worst > 0.2 && largest < 3e-7, "{worst} {largest:e}");
    }

    #[test]
    fn wrapping_covers_f32_and_allows_either_end() {
        let mut worst = 0.0f64;
        for i in 0..200_000u32 {
            let x = (i as f32 - 100_000.0) * 0.0999;
            let got = reduced(x, (x / std::f32::consts::TAU).round_ties_even(), 4.0);
            let want = wrap_bound(Bound::exact(f64::from(x)));
            let error = (f64::from(got) - want.value).abs();
            worst = worst.max(if error == 0.0 { 0.0 } else { error / want.error[1] });
        }
        assert!(worst <= 1.0 && worst > 0.1, "{worst}");
        assert!(wrap_bound(Bound::exact(PI)).error[1] > 6.0 && wrap_bound(Bound::exact(3.0)).error[1] < 1e-6);
        for x in [-9.0, -3.0, 0.0, 4.0, 700.0] {
            assert!(
                wrap(x).abs() <= PI && (wrap(x) - x).rem_euclid(TAU).min(TAU - (wrap(x) - x).rem_euclid(TAU)) < 1e-12
            );
        }
    }
}
