//! Mean over all positions of `log sum_k exp(x_k) - x_label`, the largest logit subtracted before the exponentials:
//! ```text
//! m = max_k x_k,  s = sum_k exp(x_k - m),  dst = 1/P sum over the P positions of ln s + (m - x_label)
//! ```
//! A label past the classes gives NaN. Backward: `x_bar_k = dst_bar / P (exp(x_k - m) / s - [k = label])`.

use super::{Channels, Real};

/// The largest logit of position `p` and the sum of the exponentials.
fn statistics<R: Real>(logits: &[R], p: usize, at: &Channels) -> (R, R) {
    let row: Vec<R> = (0..at.channels).map(|k| logits[at.index(p, k)]).collect();
    let most = row[1..].iter().fold(row[0], |most, x| most.max(*x));
    (most, R::sum(row.iter().map(|x| (*x - most).exp())))
}

fn class<R: Real>(label: R) -> usize {
    label.value().round() as usize
}

/// `[mean loss]`.
pub fn forward<R: Real>(logits: &[R], labels: &[R], at: &Channels) -> Vec<R> {
    let losses = (0..at.positions()).map(|p| {
        let label = class(labels[p]);
        if label >= at.channels {
            return R::exact(f64::NAN);
        }
        let (most, sum) = statistics(logits, p, at);
        sum.ln() + (most - logits[at.index(p, label)])
    });
    vec![R::sum(losses) / R::exact(at.positions() as f64)]
}

/// `logits_bar`.
pub fn backward<R: Real>(logits: &[R], labels: &[R], dst_bar: R, at: &Channels) -> Vec<R> {
    let scale = dst_bar / R::exact(at.positions() as f64);
    let mut logits_bar = vec![R::zero(); logits.len()];
    for (p, label) in labels.iter().enumerate() {
        let (most, sum) = statistics(logits, p, at);
        for k in 0..at.channels {
            let share = (logits[at.index(p, k)] - most).exp() / sum;
            let hot = R::exact(if k == class(*label) { 1.0 } else { 0.0 });
            let slope = if class(*label) < at.channels { share - hot } else { R::exact(f64::NAN) };
            logits_bar[at.index(p, k)] = scale * slope;
        }
    }
    logits_bar
}
