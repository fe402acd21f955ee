//! `dst = s(g) x` with one gate `g` for the `k` components of a neuron and the logistic function
//! `s(g) = 1 / (1 + exp(-g))`. Gates that do not change when neurons are rotated leave a map equivariant.
//!
//! Backward: `x_bar = s(g) dst_bar`, `g_bar = s(g) s(-g) (dst_bar . x)`, as `s' = s(g) s(-g)`.

use super::silu::logistic;
use super::{Oscillators, Real};

/// `dst`; the gates are one per neuron, in order.
pub fn forward<R: Real>(x: &[R], g: &[R], at: &Oscillators) -> Vec<R> {
    let mut dst = x.to_vec();
    for (i, g) in g.iter().enumerate() {
        let open = logistic(*g)[0];
        let scaled: Vec<R> = at.gather(x, i).into_iter().map(|x| open * x).collect();
        at.scatter(&mut dst, i, &scaled);
    }
    dst
}

/// `[x_bar, g_bar]`.
pub fn backward<R: Real>(x: &[R], g: &[R], dst_bar: &[R], at: &Oscillators) -> [Vec<R>; 2] {
    let mut x_bar = x.to_vec();
    let mut g_bar = Vec::with_capacity(g.len());
    for (i, g) in g.iter().enumerate() {
        let [open, shut] = logistic(*g);
        let bar = at.gather(dst_bar, i);
        g_bar.push(open * shut * R::dot(&bar, &at.gather(x, i)));
        let scaled: Vec<R> = bar.into_iter().map(|bar| open * bar).collect();
        at.scatter(&mut x_bar, i, &scaled);
    }
    [x_bar, g_bar]
}
