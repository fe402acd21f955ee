//! The controller of an adaptive integration, per sample, after an attempted step of size `tried`.
//! ```text
//! q      = -scale square                  mean square of the error estimate over the tolerance's square
//! factor = clamp(0.9 q^(-1/10), 1/5, 5)   the estimate grows with the 5th power of the step
//! accepted, if q <= 1:  left' = left - tried,  next' = tried factor (at least `next`, if `tried` was cut short of it)
//! rejected:             left' = left,          next' = tried min(factor, 1)
//! tried' = min(next', left'),  taken = tried or 0
//! ```
//! Source: the elementary controller of Hairer, Nørsett and Wanner, Solving Ordinary Differential Equations I, II.4.

use super::Real;

/// What a clock holds per sample: the time left, the step to try, the step that the controller would like.
pub const CLOCK: usize = 3;

/// The smaller of two by their values.
fn smaller<R: Real>(a: R, b: R) -> R {
    if b.value() < a.value() { b } else { a }
}

/// `[clock', taken]` from minus the sums of squares `[B]` and clocks `[B, 3]`.
pub fn forward<R: Real>(square: &[R], clock: &[R], scale: f64) -> [Vec<R>; 2] {
    let (mut next_clock, mut all_taken) = (Vec::with_capacity(clock.len()), Vec::with_capacity(square.len()));
    for (square, clock) in square.iter().zip(clock.chunks(CLOCK)) {
        let [left, tried, next] = [clock[0], clock[1], clock[2]];
        let q = -(R::exact(scale) * *square);
        let power = (R::constant(-0.1) * q.max(R::constant(1e-20)).ln()).exp();
        let factor = smaller((R::constant(0.9) * power).max(R::constant(0.2)), R::exact(5.0));
        let accepted = q.value() <= 1.0;
        let left_then = if accepted { left - tried } else { left };
        let next_then = match (left.value() <= 0.0, accepted) {
            (true, _) => next,
            (false, false) => tried * smaller(factor, R::exact(1.0)),
            (false, true) if tried.value() < next.value() => next.max(tried * factor),
            (false, true) => tried * factor,
        };
        next_clock.extend([left_then, smaller(next_then, left_then), next_then]);
        all_taken.push(if accepted { tried } else { R::zero() });
    }
    [next_clock, all_taken]
}
