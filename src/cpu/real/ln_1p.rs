//! `ln(1 + x)` on `[0, 1]`: what `shaders/lib/softplus.wgsl` may be off by.

use super::{Bound, Real};

/// What the series leaves out, of the value: its first missing term at `s = 1/3` is `s^16 / 17`, the rest less than an
/// eighth of it.
const TRUNCATION: f64 = 1.6e-9;

/// `2 atanh s` with `s = x / (2 + x)`, which is at most 1/3: eight terms of the series.
fn series<R: Real>(x: R) -> R {
    let s = x / (R::exact(2.0) + x);
    let q = s * s;
    let odd = (0..7).rev().map(|k| R::constant(1.0 / f64::from(2 * k + 1)));
    R::exact(2.0) * s * odd.fold(R::constant(1.0 / 15.0), |sum, c| sum * q + c)
}

/// `ln(1 + x)` of a number with a bound.
pub(super) fn bound(x: Bound) -> Bound {
    let exact = series(Bound::exact(x.value));
    let value = x.value.ln_1p();
    // The series loses a fixed share of its value; over the operand's interval that is its share at the upper end.
    Bound::build(value, |_, t| {
        let carried = x.error[t] / (1.0 + x.value - x.error[t].min(x.value));
        let share = if value == 0.0 { 0.0 } else { exact.error[t] / value + TRUNCATION };
        carried + share * (value + carried) + super::FLUSH
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_series_ends_where_it_says() {
        for i in 1..=1000 {
            let x = f64::from(i) / 1000.0;
            assert!((series::<f64>(x) / x.ln_1p() - 1.0).abs() <= TRUNCATION, "{x}");
        }
        assert!((series::<f64>(1.0) / 2f64.ln() - 1.0).abs() > 0.2 * TRUNCATION);
    }

    /// The shader's text in f32.
    #[test]
    fn the_bound_covers_f32() {
        let mut worst = [0.0f64; 2];
        for i in 0..20_000u16 {
            let x = f32::from(i) / 20_000.0;
            let s = x / (2.0 + x);
            let q = s * s;
            let sum = (0..7u8).rev().fold(1.0f32 / 15.0, |sum, k| sum * q + 1.0 / f32::from(2 * k + 1));
            let want = bound(Bound::exact(f64::from(x)));
            let error = (f64::from(2.0 * s * sum) - want.value).abs();
            for (worst, allowed) in worst.iter_mut().zip(want.error) {
                *worst = worst.max(error / allowed);
            }
        }
        assert!(worst[0] <= worst[1] && worst[1] <= 1.0 && worst[1] > 0.1, "{worst:?}");
    }
}
