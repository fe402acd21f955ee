//! How sure one can be of an accuracy, and of what a vote adds to it.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use serde::Serialize;

/// Standard deviations within which 95 % of a normal distribution lie.
const Z: f64 = 1.959_963_985;

/// Resamples of the bootstrap: its ends at 2.5 % are then known to some 3 % of their distance.
const RESAMPLES: usize = 10_000;

/// A share of 0 to 1 with the interval that holds the true one in 95 of 100 cases.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Share {
    pub share: f64,
    pub low: f64,
    pub high: f64,
}

/// What a vote gains over one of its draws, and how sure that is.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Gain {
    /// The share of boards that the vote solves, minus the mean share that its draws solve one by one.
    pub gain: f64,
    /// The 95 % interval of the gain on other boards of the same kind: a paired bootstrap over boards.
    pub low: f64,
    pub high: f64,
    /// The chance that picking one draw of each board blindly solves at least as many boards: an exact test.
    pub p: f64,
}

/// Wilson's interval: right at shares near 0 and 1 as well, where the normal one is not.
pub fn wilson(right: usize, of: usize) -> Share {
    if of == 0 {
        return Share { share: 0.0, low: 0.0, high: 1.0 };
    }
    let (n, share) = (of as f64, right as f64 / of as f64);
    let centre = (share + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
    let half = Z / (1.0 + Z * Z / n) * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    // At the ends the two terms are equal but for rounding.
    let low = if right == 0 { 0.0 } else { (centre - half).max(0.0) };
    let high = if right == of { 1.0 } else { (centre + half).min(1.0) };
    Share { share, low, high }
}

/// The share of things that are right, where things come in groups that go right or wrong together: cells of boards.
/// Each group is how many of its things are right, and of how many. The interval is that of a ratio of sums over groups.
pub fn clustered(groups: &[(usize, usize)]) -> Share {
    let (right, of) = groups.iter().fold((0, 0), |(right, of), group| (right + group.0, of + group.1));
    if of == 0 {
        return Share { share: 0.0, low: 0.0, high: 1.0 };
    }
    let (share, count) = (right as f64 / of as f64, groups.len() as f64);
    let squares: f64 = groups.iter().map(|(right, of)| (*right as f64 - share * *of as f64).powi(2)).sum();
    // One group says nothing of how groups differ.
    let deviation = if groups.len() < 2 { 1.0 } else { (count / (count - 1.0) * squares).sqrt() / of as f64 };
    Share { share, low: (share - Z * deviation).max(0.0), high: (share + Z * deviation).min(1.0) }
}

/// What the vote gains: for each board whether the vote solved it, and which share of its draws did.
pub fn gain(boards: &[(bool, f64)], seed: u64) -> Gain {
    let of = |(vote, singles): &(bool, f64)| f64::from(u8::from(*vote)) - singles;
    let gain = boards.iter().map(of).sum::<f64>() / boards.len().max(1) as f64;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let one = |_| of(&boards[rng.random_range(0..boards.len())]);
            (0..boards.len()).map(one).sum::<f64>() / boards.len().max(1) as f64
        })
        .collect();
    means.sort_by(f64::total_cmp);
    let quantile = |q: f64| means[((q * RESAMPLES as f64) as usize).min(RESAMPLES - 1)];
    let solved = boards.iter().filter(|(vote, _)| *vote).count();
    let singles: Vec<f64> = boards.iter().map(|(_, singles)| *singles).collect();
    Gain { gain, low: quantile(0.025), high: quantile(0.975), p: at_least(&singles, solved) }
}

/// The chance that at least `wanted` of independent events happen, which have these chances.
fn at_least(chances: &[f64], wanted: usize) -> f64 {
    // Element k: the chance that k events happened among those seen.
    let mut happened = vec![1.0];
    for chance in chances {
        happened.push(0.0);
        for k in (0..happened.len()).rev() {
            let before = if k == 0 { 0.0 } else { happened[k - 1] };
            happened[k] = happened[k] * (1.0 - chance) + before * chance;
        }
    }
    happened.get(wanted..).map_or(0.0, |tail| tail.iter().sum::<f64>().min(1.0))
}

/// The chance that the smaller of two numbers, one of `right` and one of `wrong`, is that of `right`; equal ones count
/// half. Nothing where one of them is empty.
pub fn smaller(right: &[f64], wrong: &[f64]) -> Option<f64> {
    let pairs = right.len() * wrong.len();
    let one = |(r, w): (&f64, &f64)| if r < w { 1.0 } else { f64::from(u8::from(r == w)) / 2.0 };
    let sum: f64 = right.iter().flat_map(|r| wrong.iter().map(move |w| (r, w))).map(one).sum();
    (pairs > 0).then(|| sum / pairs as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(got: f64, wanted: f64, within: f64) {
        assert!((got - wanted).abs() <= within, "{got} is not {wanted}");
    }

    /// Brown, Cai and DasGupta (2001) have the formula; the numbers are worked out by hand.
    #[test]
    fn wilson_of_numbers_known_beforehand() {
        let half = wilson(5, 10);
        // (0.5 + 0.19207) / 1.38415 -+ 1.95996 / 1.38415 sqrt(0.025 + 0.0096036).
        near(half.low, 0.236_593, 1e-6);
        near(half.high, 0.763_407, 1e-6);
        let all = wilson(200, 200);
        assert_eq!((all.share, all.high), (1.0, 1.0));
        // n / (n + z^2).
        near(all.low, 200.0 / (200.0 + 3.841_459), 1e-6);
        let none = wilson(0, 200);
        assert_eq!((none.share, none.low), (0.0, 0.0));
        near(none.high, 1.0 - all.low, 1e-9);
        assert_eq!(wilson(0, 0), Share { share: 0.0, low: 0.0, high: 1.0 });
    }

    #[test]
    fn groups_that_agree_within_are_worth_one_each() {
        // Four boards of ten cells, each all right or all wrong: the interval is that of four coins.
        let groups = [(10, 10), (0, 10), (10, 10), (0, 10)];
        let found = clustered(&groups);
        assert_eq!(found.share, 0.5);
        // Deviations are 5 each: sqrt(4 / 3 * 100) / 40.
        near(found.high - found.share, (Z * (400.0f64 / 3.0).sqrt() / 40.0).min(0.5), 1e-12);
        // Boards that are all alike leave no doubt.
        let alike = clustered(&[(9, 10); 7]);
        assert_eq!((alike.low, alike.high), (alike.share, alike.share));
        assert_eq!(clustered(&[(3, 4)]), Share { share: 0.75, low: 0.0, high: 1.0 });
    }

    #[test]
    fn chances_of_sums_agree_with_a_count() {
        // Two of three fair coins or more: 4 of 8.
        near(at_least(&[0.5; 3], 2), 0.5, 1e-15);
        // Exactly both: 0.2 * 0.3.
        near(at_least(&[0.2, 0.3], 2), 0.06, 1e-15);
        near(at_least(&[0.2, 0.3], 1), 1.0 - 0.8 * 0.7, 1e-15);
        assert_eq!((at_least(&[0.2, 0.3], 0), at_least(&[0.2], 2), at_least(&[], 0)), (1.0, 0.0, 1.0));
        assert_eq!(at_least(&[1.0, 1.0, 0.0], 2), 1.0);
    }

    #[test]
    fn a_gain_is_significant_only_where_it_is() {
        // A vote that solves 60 of 100 boards whose draws solve half: 60 heads or more of 100 coins.
        let boards: Vec<(bool, f64)> = (0..100).map(|b| (b < 60, 0.5)).collect();
        let found = gain(&boards, 1);
        near(found.gain, 0.1, 1e-12);
        near(found.p, 0.028_444, 1e-6);
        // The bootstrap of a share of 0.6 of 100: about 1.96 sqrt(0.24 / 100) to either side.
        near(found.low, 0.1 - 0.096, 0.015);
        near(found.high, 0.1 + 0.096, 0.015);
        // One draw votes for itself.
        let alone: Vec<(bool, f64)> = (0..50).map(|b| (b % 3 == 0, f64::from(u8::from(b % 3 == 0)))).collect();
        assert_eq!(gain(&alone, 1), Gain { gain: 0.0, low: 0.0, high: 0.0, p: 1.0 });
        // A vote that does as badly as it can is not significant.
        let worse: Vec<(bool, f64)> = (0..50).map(|_| (false, 0.5)).collect();
        assert_eq!((gain(&worse, 1).p, gain(&worse, 1).gain), (1.0, -0.5));
        assert_eq!(gain(&worse, 1), gain(&worse, 1));
    }

    #[test]
    fn the_smaller_of_two_is_counted() {
        assert_eq!(smaller(&[1.0, 2.0], &[3.0]), Some(1.0));
        assert_eq!(smaller(&[1.0, 3.0], &[3.0, 4.0]), Some((1.0 + 1.0 + 0.5 + 1.0) / 4.0));
        assert_eq!((smaller(&[], &[1.0]), smaller(&[1.0], &[])), (None, None));
    }
}
