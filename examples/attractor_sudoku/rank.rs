//! Whether two numbers rise together, and how sure that is.

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;
use serde::Serialize;

/// Spearman's rank correlation.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Correlation {
    /// From -1 to 1; 0 where one of the two does not vary.
    pub rho: f64,
    /// The chance of a correlation at least as strong, in either direction, if the two were unrelated: a permutation test.
    pub p: f64,
}

/// Shuffles of the test: p is at least 1 / (SHUFFLES + 1).
const SHUFFLES: usize = 9_999;

/// The correlation of the ranks of `x` and `y`, equal numbers sharing their mean rank.
pub fn spearman(x: &[f64], y: &[f64], seed: u64) -> Correlation {
    let (x, mut y) = (ranks(x), ranks(y));
    let rho = pearson(&x, &y);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let as_strong = (0..SHUFFLES).filter(|_| {
        y.shuffle(&mut rng);
        pearson(&x, &y).abs() >= rho.abs() - 1e-12
    });
    let p = (as_strong.count() + 1) as f64 / (SHUFFLES + 1) as f64;
    Correlation { rho, p }
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let rank = |value: &f64| {
        let below = values.iter().filter(|other| *other < value).count() as f64;
        let equal = values.iter().filter(|other| *other == value).count() as f64;
        below + (equal + 1.0) / 2.0
    };
    values.iter().map(rank).collect()
}

fn pearson(x: &[f64], y: &[f64]) -> f64 {
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len().max(1) as f64;
    let (mx, my) = (mean(x), mean(y));
    let product =
        |a: &[f64], ma: f64, b: &[f64], mb: f64| a.iter().zip(b).map(|(a, b)| (a - ma) * (b - mb)).sum::<f64>();
    let scale = (product(x, mx, x, mx) * product(y, my, y, my)).sqrt();
    if scale > 0.0 { product(x, mx, y, my) / scale } else { 0.0 }
}
