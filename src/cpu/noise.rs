//! Counter-based noise: Philox 4x32-10, uniforms, Gaussians by Box-Muller.
//!
//! Key = the 64-bit seed (low word, high word); counter = (element / 4, sample, step, stream); word `element % 4` of
//! the block belongs to the element. So a sample's noise depends on nothing but these numbers: not on the batch it
//! sits in, the device, or what ran before.
//!
//! Source: Salmon et al., Parallel random numbers: as easy as 1, 2, 3 (SC 2011).

use super::Real;
use super::real::sin_cos_series;

/// One block of Philox 4x32-10.
pub fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let a = 0xD251_1F53_u64 * u64::from(counter[0]);
        let b = 0xCD9E_8D57_u64 * u64::from(counter[2]);
        let (a_high, b_high) = ((a >> 32) as u32, (b >> 32) as u32);
        counter = [b_high ^ counter[1] ^ key[0], b as u32, a_high ^ counter[3] ^ key[1], a as u32];
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    counter
}

/// What a stream of noise is keyed by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Stream {
    /// The user's seed.
    pub seed: u64,
    /// Index of the first sample of this tensor: chunks of a batch continue each other.
    pub first_sample: u32,
    /// Time step.
    pub step: u32,
    /// Which use of noise in a program this is.
    pub stream: u32,
}

/// The distribution of each element.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Distribution {
    /// Uniform on `[0, 1)`: the top 24 bits times `2^-24`, exact.
    Uniform,
    /// Standard normal.
    Gaussian,
}

/// The integer stream of `samples` runs of `run` elements.
pub fn bits(s: &Stream, samples: usize, run: usize) -> Vec<u32> {
    let key = [s.seed as u32, (s.seed >> 32) as u32];
    (0..samples)
        .flat_map(|b| {
            let sample = s.first_sample.wrapping_add(b as u32);
            (0..run).map(move |e| philox([e as u32 / 4, sample, s.step, s.stream], key)[e % 4])
        })
        .collect()
}

/// `samples` runs of `run` numbers from the distribution.
pub fn forward<R: Real>(s: &Stream, d: Distribution, samples: usize, run: usize) -> Vec<R> {
    let key = [s.seed as u32, (s.seed >> 32) as u32];
    let mut dst = Vec::with_capacity(samples * run);
    for b in 0..samples {
        let sample = s.first_sample.wrapping_add(b as u32);
        for e in 0..run {
            let block = philox([e as u32 / 4, sample, s.step, s.stream], key);
            dst.push(match d {
                Distribution::Uniform => R::exact(f64::from(block[e % 4] >> 8) * f64::powi(2.0, -24)),
                Distribution::Gaussian => gaussian(block, e % 4),
            });
        }
    }
    dst
}

/// Word pair `(0, 1)` gives elements 0 and 1 of a block, `(2, 3)` gives 2 and 3:
/// `sqrt(-2 ln u) (cos 2πv, sin 2πv)` with `u` in `(0, 1]`, `v` in `[0, 1)`.
fn gaussian<R: Real>(block: [u32; 4], lane: usize) -> R {
    let (a, b) = (block[lane / 2 * 2] >> 8, block[lane / 2 * 2 + 1] >> 8);
    let radius = (R::exact(-2.0) * ln(f64::from(a + 1) * f64::powi(2.0, -24))).sqrt();
    let (sin, cos) = sin_cos_turns(b);
    radius * if lane.is_multiple_of(2) { cos } else { sin }
}

/// `ln u` for an exact `u`: `u = 2^e m` with `m` in `[sqrt 1/2, sqrt 2)`, `ln m = 2 atanh s`, `s = (m - 1) / (m + 1)`,
/// five terms of the series (the first one left out is below `2.1e-9` of the sum).
pub(crate) fn ln<R: Real>(u: f64) -> R {
    let mut e = u.log2().floor();
    let mut m = u / f64::powi(2.0, e as i32);
    if m >= std::f64::consts::SQRT_2 {
        (m, e) = (m / 2.0, e + 1.0);
    }
    let s = R::exact(m - 1.0) / (R::exact(m) + R::exact(1.0));
    let q = s * s;
    let series = [1.0 / 7.0, 1.0 / 5.0, 1.0 / 3.0, 1.0]
        .into_iter()
        .fold(R::constant(1.0 / 9.0), |sum, c| sum * q + R::constant(c));
    R::exact(e) * R::constant(std::f64::consts::LN_2) + R::exact(2.0) * s * series
}

/// `(sin, cos)` of `2π k / 2^24`: the quadrant is split off exactly, Taylor series serve `[-π/4, π/4]`
/// (truncation below `2e-9`).
pub(crate) fn sin_cos_turns<R: Real>(k: u32) -> (R, R) {
    let quadrant = (k + (1 << 21)) >> 22;
    let f = (f64::from(k) - f64::from(quadrant << 22)) * f64::powi(2.0, -22);
    let (sin, cos) = sin_cos_series(R::exact(f) * R::constant(std::f64::consts::FRAC_PI_2));
    match quadrant % 4 {
        0 => (sin, cos),
        1 => (cos, -sin),
        2 => (-sin, -cos),
        _ => (-cos, sin),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers that the authors publish with their library.
    #[test]
    fn philox_known_answers() {
        let pi = [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344];
        let cases = [
            ([0; 4], [0; 2], [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]),
            ([u32::MAX; 4], [u32::MAX; 2], [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]),
            (pi, [0xa4093822, 0x299f31d0], [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1]),
        ];
        for (counter, key, want) in cases {
            assert_eq!(philox(counter, key), want);
        }
    }

    #[test]
    fn series_agree_with_the_standard_library() {
        for k in (0..1 << 24).step_by(997) {
            let turn = f64::from(k) * std::f64::consts::TAU * f64::powi(2.0, -24);
            let (sin, cos): (f64, f64) = sin_cos_turns(k);
            assert!((sin - turn.sin()).abs() < 2e-9 && (cos - turn.cos()).abs() < 2e-9, "{k}");
            let u = f64::from(k + 1) * f64::powi(2.0, -24);
            assert!((ln::<f64>(u) - u.ln()).abs() <= 2.1e-9 * u.ln().abs(), "{k}");
        }
    }

    #[test]
    fn gaussians_have_the_moments_of_a_normal() {
        let z: Vec<f64> = forward(&Stream { seed: 7, ..Default::default() }, Distribution::Gaussian, 1, 100_000);
        let moment = |p: i32| z.iter().map(|z| z.powi(p)).sum::<f64>() / z.len() as f64;
        // Standard errors of the first four moments at this length are 0.003, 0.004, 0.012 and 0.031.
        for (p, want, error) in [(1, 0.0, 0.016), (2, 1.0, 0.023), (3, 0.0, 0.062), (4, 3.0, 0.155)] {
            assert!((moment(p) - want).abs() < error, "moment {p}: {}", moment(p));
        }
    }
}
