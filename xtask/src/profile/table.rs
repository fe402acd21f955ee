//! The figures of a profile, for people.

use super::Report;
use super::ceilings::Ceilings;
use super::timing::{Pass, Timed};
use crate::say;

/// Rates of one pass.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    pub gb_s: f64,
    pub gflop_s: f64,
    /// Parts of the measured ceilings.
    pub of_copy: f64,
    pub of_peak: f64,
    /// The least time that either ceiling allows, as a part of the time it took.
    pub of_roofline: f64,
}

impl Rates {
    pub fn new(median_us: f64, pass: &Pass, ceilings: &Ceilings) -> Rates {
        let rate = |amount: u64| amount as f64 / (median_us * 1e3);
        let (gb_s, gflop_s) = (rate(pass.bytes), rate(pass.flops));
        Rates {
            gb_s,
            gflop_s,
            of_copy: gb_s / ceilings.copy_gb_s,
            of_peak: gflop_s / ceilings.peak_gflop_s,
            of_roofline: ceilings.least_us(pass.bytes, pass.flops) / median_us,
        }
    }
}

/// The passes of a case that were timed: name, median in microseconds, the rest.
pub fn passes(timed: &Timed) -> Vec<(&'static str, f64, Pass)> {
    let forward = timed.forward.map(|pass| ("forward", timed.forward_us, pass));
    let backward = timed.backward.zip(timed.backward_us).map(|(pass, median)| ("backward", median, pass));
    forward.into_iter().chain(backward).collect()
}

/// The lines above the table.
pub fn head(report: &Report) {
    let kind = if report.software { "a driver on the processor" } else { "a GPU" };
    say!("{}; {kind}", report.device);
    say!("kuramoto {}, {}, {} build", report.version, report.date, report.build);
    say!(
        "ceilings, measured: copy {:.2} GB/s, multiply-add {:.1} GFLOP/s in f32",
        report.ceilings.copy_gb_s,
        report.ceilings.peak_gflop_s
    );
    say!("a loop of steps: {:.2} µs of the host a dispatch, recorded and submitted", report.step_loop_us);
    if report.build != super::OPTIMISED {
        say!("Times of the host are those of an unoptimised build and say nothing.");
    }
    say!("");
}

/// One line for each pass.
pub fn print(report: &Report) {
    say!(
        "{:<18} {:<8} {:<5} {:<8} {:>11} {:>6} {:>8} {:>6} {:>9} {:>6} {:>6} {:>5} {:>8}  case",
        "op",
        "variant",
        "dtype",
        "pass",
        "median µs",
        "± %",
        "GB/s",
        "% copy",
        "GFLOP/s",
        "% peak",
        "% roof",
        "disp.",
        "host µs"
    );
    for timed in &report.cases {
        for (name, median, pass) in passes(timed) {
            if pass.dispatches == 0 {
                continue;
            }
            let rates = Rates::new(median, &pass, &report.ceilings);
            let host = timed.host_us.filter(|_| name == "forward").map_or("-".to_owned(), |us| format!("{us:.2}"));
            say!(
                "{:<18} {:<8} {:<5} {name:<8} {median:>11.1} {:>6.1} {:>8.2} {:>6.0} {:>9.2} {:>6.0} {:>6.0} {:>5} {host:>8}  {}",
                timed.op,
                timed.variant,
                timed.dtype,
                100.0 * pass.spread,
                rates.gb_s,
                100.0 * rates.of_copy,
                rates.gflop_s,
                100.0 * rates.of_peak,
                100.0 * rates.of_roofline,
                pass.dispatches,
                timed.case
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_amounts_over_time() {
        let ceilings = Ceilings { copy_gb_s: 4.0, peak_gflop_s: 50.0 };
        let pass = Pass { spread: 0.0, repeats: 5, dispatches: 1, bytes: 2_000_000, flops: 1_000_000 };
        let rates = Rates::new(1000.0, &pass, &ceilings);
        assert!((rates.gb_s - 2.0).abs() < 1e-12 && (rates.gflop_s - 1.0).abs() < 1e-12);
        assert!((rates.of_copy - 0.5).abs() < 1e-12 && (rates.of_peak - 0.02).abs() < 1e-12);
        // Memory needs 500 microseconds, arithmetic 20: half of the time is explained.
        assert!((rates.of_roofline - 0.5).abs() < 1e-12);
    }
}
