//! Ranges, tick labels and points of a plot.

/// Values beyond this are skipped like infinite ones: the arithmetic of the
/// axes would overflow.
const HUGE: f64 = 1e100;

/// Ranges below this, absolutely or relative to the values, are drawn as
/// constants: rounding would decide where the ticks are.
const TINY: f64 = 1e-100;
const FLAT: f64 = 1e-6;

/// More points than this in one line are thinned out: several would share
/// each column of pixels.
const POINTS: usize = 1600;

fn drawable(value: f64) -> bool {
    value.abs() <= HUGE
}

/// The range of a y axis that shows all values, with some space around them.
pub(super) fn range<'a>(values: impl IntoIterator<Item = &'a f64>) -> (f64, f64) {
    let values = values.into_iter().copied().filter(|&v| drawable(v));
    let both = values.fold(None, |both: Option<(f64, f64)>, v| {
        let (low, high) = both.unwrap_or((v, v));
        Some((low.min(v), high.max(v)))
    });
    let (low, high) = both.unwrap_or((0.0, 1.0));
    let largest = low.abs().max(high.abs());
    let span = high - low;
    let space = if largest < TINY {
        1.0
    } else if span < FLAT * largest || span < TINY {
        0.1 * largest
    } else {
        0.06 * span
    };
    (low - space, high + space)
}

/// The label of a tick on an axis of length `span`: as many digits as tell
/// neighbouring ticks apart, with an exponent where that is shorter.
pub(super) fn tick(value: f64, span: f64) -> String {
    // About ten ticks; one digit more than the distance between them needs.
    let finest = (span / 10.0).abs().max(f64::MIN_POSITIVE).log10().floor() as i32 - 1;
    if value.abs() < 1e-9 * span.abs() {
        return "0".to_owned();
    }
    let first = value.abs().log10().floor() as i32;
    let text = if first >= 6 || finest < -5 {
        let digits = (first - finest).clamp(0, 9) as usize;
        let text = format!("{value:.digits$e}");
        let (number, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        format!("{}e{exponent}", trim(number))
    } else {
        let digits = (-finest).max(0) as usize;
        trim(&format!("{value:.digits$}")).to_owned()
    };
    text.replace('-', "−")
}

/// Drops zeros that end a decimal fraction.
fn trim(number: &str) -> &str {
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number }
}

/// The points of a line, split where values are missing.
pub(super) fn runs(values: &[f64], x_step: f64) -> Vec<Vec<(f64, f64)>> {
    let point = |(i, &value): (usize, &f64)| (x_step * i as f64, value);
    let points: Vec<(f64, f64)> = values.iter().enumerate().map(point).collect();
    let width = values.len().div_ceil(POINTS / 2);
    points
        .split(|&(_, value)| !drawable(value))
        .filter(|run| !run.is_empty())
        .map(|run| if width <= 2 { run.to_vec() } else { thin(run, width) })
        .collect()
}

/// Keeps the lowest and the highest of every `width` points, so that peaks
/// stay as high as they are, and both ends.
fn thin(run: &[(f64, f64)], width: usize) -> Vec<(f64, f64)> {
    let mut kept = vec![run[0]];
    for part in run.chunks(width) {
        let by_value = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let low = part.iter().min_by(by_value);
        let high = part.iter().max_by(by_value);
        let mut pair: Vec<_> = low.into_iter().chain(high).copied().collect();
        pair.sort_by(|a, b| a.0.total_cmp(&b.0));
        kept.extend(pair);
    }
    kept.extend(run.last());
    kept.dedup();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_never_empty() {
        let awkward: [&[f64]; 7] = [
            &[],
            &[f64::NAN],
            &[0.0],
            &[-5.0, -5.0],
            &[1.0, 1.0 + f64::EPSILON],
            &[f64::MIN_POSITIVE],
            &[f64::MAX, 1.0, -f64::MAX],
        ];
        for values in awkward {
            let (low, high) = range(values);
            assert!(low.is_finite() && high.is_finite() && low < high, "{values:?}");
        }
        let (low, high) = range(&[0.0, 1.0]);
        assert!(low > -0.1 && high < 1.1);
    }

    #[test]
    fn tick_labels_are_short() {
        assert_eq!(tick(0.2, 1.0), "0.2");
        assert_eq!(tick(-0.25, 1.0), "−0.25");
        assert_eq!(tick(-1e-17, 1.0), "0");
        assert_eq!(tick(2000.0, 10_000.0), "2000");
        assert_eq!(tick(2.5e6, 1e7), "2.5e6");
        assert_eq!(tick(-3e-7, 1e-6), "−3e−7");
    }

    #[test]
    fn missing_values_split_a_line() {
        let runs = runs(&[f64::NAN, 1.0, 2.0, f64::INFINITY, 3.0], 10.0);
        assert_eq!(runs, [vec![(10.0, 1.0), (20.0, 2.0)], vec![(40.0, 3.0)]]);
    }

    #[test]
    fn thinning_keeps_peaks_and_ends() {
        let mut values: Vec<f64> = (0..100_000).map(f64::from).collect();
        values[54_321] = 1e6;
        let points = runs(&values, 1.0).remove(0);
        assert!(points.len() <= POINTS + 2);
        assert_eq!(points[0], (0.0, 0.0));
        assert_eq!(points.last(), Some(&(99_999.0, 99_999.0)));
        assert!(points.contains(&(54_321.0, 1e6)));
    }
}
