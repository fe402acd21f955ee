//! What becomes of each sample of a fixed-point iteration, from the sums of [`solve_residual`](super::solve_residual).
//! ```text
//! residual = |G| / max(|F|, floor), or the first |F| in place of |F|
//! (H + shift I) z = 1,  α = z / Σ z,  H_ij = <G_i, G_j> / h,  h = trace / filled,  shift = relative + absolute / h
//! ```
//! α minimises `|Σ α_i G_i|² + h shift |α|²` over coefficients that sum to 1: Anderson acceleration of type II in the form
//! of a symmetric positive definite system, solved by Cholesky's factors. Source: Walker and Ni 2011; the bordered system
//! of Lagrange's multiplier has the same solution. With `absolute = 0` the coefficients do not change when all residuals
//! are scaled. Where a pivot is not positive, the newest pair is taken alone.
//!
//! Of a secant method the ring holds the last steps `s_j` in the slots before `G`, and the next step is
//! ```text
//! z = G,  z <- z + s_{j+1} <s_j, z> / |s_j|²  from the oldest s_j to the newest but one,  s = z / (1 - <s_k, z> / |s_k|²)
//! ```
//! for the newest `s_k`: Broyden's good method from `B = -I` with its inverse as a product, which needs nothing but the
//! steps; their inner products are carried along, so that α comes without another pass over them. Source: Kelley 1995,
//! section 7.3. Where the divisor is below 1/10 in size, the updated matrix is close to singular (Moré and Trangenstein
//! 1976): the steps are forgotten and `s = G`.
//!
//! A *record* holds what a sample carries, `[73 + window²]`: see the constants. A sample ends where the first of these
//! holds: an element is not finite; the residual is within the tolerance, not before iteration `least`; residual and iterate have grown past
//! `divergence` times their first size; a memoryless iteration came back to its anchor (set anew every 8th iteration); the
//! best residual has not moved for `patience` iterations; it was the last iteration.

use super::solve_residual::SUMS;
use super::{Real, Window};

/// The sample runs.
pub const RUNNING: f64 = 0.0;
/// It is within the tolerance.
pub const CONVERGED: f64 = 1.0;
/// It was the last iteration.
pub const EXHAUSTED: f64 = 2.0;
/// It has grown; the detail says how much.
pub const DIVERGED: f64 = 3.0;
/// Elements are not finite; the detail says how many.
pub const NON_FINITE: f64 = 4.0;
/// The best residual has not moved; the detail says for how many iterations.
pub const STAGNATED: f64 = 5.0;
/// The iterates repeat; the detail is the period.
pub const CYCLE: f64 = 6.0;

/// Where the status is in a record.
pub const STATUS: usize = 0;
/// The iteration of the newest residual.
pub const ITERATIONS: usize = 1;
/// The newest residual.
pub const RESIDUAL: usize = 2;
/// The best residual.
pub const BEST: usize = 3;
/// The status's number.
pub const DETAIL: usize = 4;
/// `|G|` and `|F|` of the first iteration.
const FIRST: usize = 5;
/// The best residual when patience was last looked at.
const MARK: usize = 7;
/// The slot of a secant method's oldest step.
const OLDEST: usize = 8;
/// Where the last residuals begin.
pub const HISTORY: usize = 9;
/// How many there are.
pub const REMEMBERED: usize = 64;
/// Where the Gram matrix begins; of steps it is the lower triangle.
const GRAM: usize = HISTORY + REMEMBERED;
/// Pairs of a mixture at most.
pub const MOST: usize = 8;
/// Slots of a secant method's ring at most.
pub const SLOTS: usize = 32;
/// Iterations from one anchor to the next.
const ANCHORS: usize = 8;
/// A best residual above this share of an earlier one has not moved.
const STILL: f64 = 0.999;
/// The least size of the divisor of a secant step.
const LEAST: f64 = 0.1;

/// The numbers of one iteration.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Judgement {
    /// Counted from 0.
    pub iteration: usize,
    /// The first iteration at which a sample may have converged.
    pub least: usize,
    /// The iteration at which everything ends.
    pub last: usize,
    /// Whether the next state is a function of this one alone.
    pub memoryless: bool,
    /// Iterations without progress; 0 for any number.
    pub patience: usize,
    /// Whether residuals are relative to the first `|F|`.
    pub to_first: bool,
    /// Whether the ring holds the steps of a secant method.
    pub secant: bool,
    /// The residual to reach.
    pub tolerance: f64,
    /// The least norm that residuals are relative to.
    pub floor: f64,
    /// Growth that ends a sample.
    pub divergence: f64,
    /// Regularisation relative to the mean square of the residuals.
    pub relative: f64,
    /// Regularisation as it stands.
    pub absolute: f64,
}

/// Elements of a record.
pub fn record_len(window: usize) -> usize {
    GRAM + window * window
}

/// Elements of a sample's coefficients: one per slot, then whether the state advances, is the best, is the anchor.
pub fn coefficients_len(window: usize) -> usize {
    window + 3
}

/// The records `[samples, 73 + window²]` and the coefficients `[samples, window + 3]`.
pub fn forward<R: Real>(sums: &[R], record: &[R], at: &Window, judgement: &Judgement) -> [Vec<R>; 2] {
    let mut record = record.to_vec();
    let mut coefficients = vec![R::zero(); at.samples * coefficients_len(at.window)];
    let rows = record.chunks_mut(record_len(at.window)).zip(coefficients.chunks_mut(coefficients_len(at.window)));
    for ((record, coefficients), sums) in rows.zip(sums.chunks(SUMS + at.window)) {
        if record[STATUS].value() == RUNNING {
            judge(sums, record, coefficients, at, judgement);
        }
    }
    [record, coefficients]
}

fn judge<R: Real>(sums: &[R], record: &mut [R], coefficients: &mut [R], at: &Window, j: &Judgement) {
    let (square, size, beyond, moved) = (sums[0], sums[1].sqrt(), sums[2], sums[3]);
    record[ITERATIONS] = R::exact(j.iteration as f64);
    if beyond.value() > 0.0 {
        (record[STATUS], record[DETAIL]) = (R::exact(NON_FINITE), beyond);
        return;
    }
    let (norm, floor) = (square.sqrt(), R::constant(j.floor));
    if j.iteration == 0 {
        (record[FIRST], record[FIRST + 1]) = (norm, size);
    }
    let scale = if j.to_first { record[FIRST + 1] } else { size };
    let residual = norm / scale.max(floor);
    record[RESIDUAL] = residual;
    record[HISTORY + j.iteration % REMEMBERED] = residual;
    if j.iteration == 0 {
        record[MARK] = residual;
    }
    if residual.value() < record[BEST].value() {
        record[BEST] = residual;
        coefficients[at.window + 1] = R::exact(1.0);
    }
    let growth = size / record[FIRST + 1].max(floor);
    let is_pause = j.patience > 0 && j.iteration > 0 && j.iteration.is_multiple_of(j.patience);
    let (mut status, mut detail) = (RUNNING, R::zero());
    if residual.value() <= j.tolerance {
        status = if j.iteration >= j.least { CONVERGED } else { RUNNING };
    } else if norm.value() > j.divergence * record[FIRST].value() && growth.value() > j.divergence {
        (status, detail) = (DIVERGED, growth);
    } else if j.memoryless && j.iteration > 0 && moved.value() == 0.0 {
        let period = (j.iteration - 1) % ANCHORS + 1;
        (status, detail) = (if period == 1 { STAGNATED } else { CYCLE }, R::exact(period as f64));
    } else if is_pause && record[BEST].value() > STILL * record[MARK].value() {
        (status, detail) = (STAGNATED, R::exact(j.patience as f64));
    } else if j.iteration >= j.last {
        status = EXHAUSTED;
    }
    if is_pause {
        record[MARK] = record[BEST];
    }
    (record[STATUS], record[DETAIL]) = (R::exact(status), detail);
    if status != RUNNING {
        return;
    }
    coefficients[at.window] = R::exact(1.0);
    if j.iteration.is_multiple_of(ANCHORS) {
        coefficients[at.window + 2] = R::exact(1.0);
    }
    let mut mixed = None;
    if j.secant {
        if at.slot == 0 {
            record[OLDEST] = R::zero();
        }
        mixed = secant(sums, record, at);
        if mixed.is_none() {
            record[OLDEST] = R::exact(at.slot as f64);
            record[GRAM + at.slot * (at.window + 1)] = square;
        }
    } else if at.window > 1 {
        for i in 0..at.filled {
            record[GRAM + at.slot * at.window + i] = sums[SUMS + i];
            record[GRAM + i * at.window + at.slot] = sums[SUMS + i];
        }
        mixed = mixture(&record[GRAM..], at, j);
    }
    match mixed {
        Some(alpha) => coefficients[..alpha.len()].copy_from_slice(&alpha),
        None => coefficients[at.slot] = R::exact(1.0),
    }
}

/// α, or nothing where the matrix is not positive.
fn mixture<R: Real>(gram: &[R], at: &Window, judgement: &Judgement) -> Option<Vec<R>> {
    let n = at.filled;
    let h = R::sum((0..n).map(|i| gram[i * at.window + i])) / R::exact(n as f64);
    if h.value() <= 0.0 {
        return None;
    }
    let shift = R::constant(judgement.relative) + R::constant(judgement.absolute) / h;
    let mut lower = vec![R::zero(); n * n];
    for i in 0..n {
        for j in 0..=i {
            let mut s = gram[i * at.window + j] / h;
            if i == j {
                s = s + shift;
            }
            for k in 0..j {
                s = s - lower[i * n + k] * lower[j * n + k];
            }
            if i == j && s.value() <= 0.0 {
                return None;
            }
            lower[i * n + j] = if i == j { s.sqrt() } else { s / lower[j * n + j] };
        }
    }
    let mut z = vec![R::exact(1.0); n];
    for i in 0..n {
        for k in 0..i {
            z[i] = z[i] - lower[i * n + k] * z[k];
        }
        z[i] = z[i] / lower[i * n + i];
    }
    for i in (0..n).rev() {
        for k in i + 1..n {
            z[i] = z[i] - lower[k * n + i] * z[k];
        }
        z[i] = z[i] / lower[i * n + i];
    }
    let total = R::sum(z.iter().copied());
    if total.value() <= 0.0 {
        return None;
    }
    Some(z.into_iter().map(|z| z / total).collect())
}

/// α of the next step, whose row the Gram matrix gets; nothing where there is no step but `G`.
fn secant<R: Real>(sums: &[R], record: &mut [R], at: &Window) -> Option<Vec<R>> {
    let (slot, first, dots) = (at.slot, record[OLDEST].value() as usize, &sums[SUMS..]);
    let entry = |i: usize, j: usize| GRAM + i.max(j) * at.window + i.min(j);
    if first >= slot {
        return None;
    }
    let mut alpha = vec![R::zero(); slot + 1];
    for j in first..slot {
        let square = record[entry(j, j)];
        if square.value() <= 0.0 {
            return None;
        }
        let along = (first..=j).fold(dots[j], |along, i| along + alpha[i] * record[entry(i, j)]);
        alpha[j + 1] = along / square;
    }
    let share = R::exact(1.0) - alpha[slot];
    if share.value().abs() < LEAST {
        return None;
    }
    alpha[slot] = R::exact(1.0);
    alpha.iter_mut().for_each(|alpha| *alpha = *alpha / share);
    let newest = alpha[slot];
    let mut square = newest * newest * dots[slot];
    for i in first..slot {
        let own = newest * dots[i];
        let product = (first..slot).fold(own, |sum, j| sum + alpha[j] * record[entry(i, j)]);
        record[entry(slot, i)] = product;
        square = square + alpha[i] * (product + own);
    }
    record[entry(slot, slot)] = square;
    (square.value() > 0.0).then_some(alpha)
}
