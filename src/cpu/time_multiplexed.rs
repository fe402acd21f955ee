//! A recurrence whose weights take turns: with `L_W` banks, an elementwise `f` and `bank = (first + t) mod L_W`,
//! ```text
//! a[t]   = drive[t] + bias[bank] + w[bank] h[t]
//! h[t+1] = alpha h[t] + f(a[t]),   t = 0 .. T - 1
//! ```
//! One bank makes a recurrent network, as many banks as steps an untied residual one. Source: arXiv 2511.00044, where
//! `drive[t] = W_xh x[t]`. The activation is not recoverable from what we read of it, so it is an option.
//!
//! Backward, with `g[t]` the cotangent of `h[t]` from everything that comes after it, from the last step to the first:
//! ```text
//! s[t] = f'(a[t]) g[t+1]
//! g[t] = alpha g[t+1] + w[bank]ᵀ s[t] + (the cotangent of h[t], if t > 0 and it is among the outputs)
//! ```
//! Hence `drive_bar[t] = s[t]` (their sum for a drive that does not change), `state_bar = g[0]`, `w_bar[l]` and
//! `bias_bar[l]` are the sums of `s[t] h[t]ᵀ` and of `s[t]` over the steps that use bank `l`, and
//! `alpha_bar = sum_t g[t+1] . h[t]`; all summed over the samples where there is one parameter for them.
//!
//! With `e = exp(-2 |x|) <= 1`, `tanh |x| = (1 - e) / (1 + e)` and `tanh' x = 4 e / (1 + e)^2`: nothing overflows, and
//! the slope does not cancel where `tanh` is near 1. Near 0 the value is accurate absolutely, not relatively.

use super::Real;

/// The function `f` of a recurrence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Activation {
    /// The hyperbolic tangent.
    Tanh,
    /// `max(x, 0)`, with slope 0 at 0.
    Relu,
    /// `x`: a linear recurrence.
    Identity,
}

impl Activation {
    fn value<R: Real>(self, x: R) -> R {
        match self {
            Activation::Tanh => {
                let e = (R::exact(-2.0) * x.abs()).exp();
                let y = (R::exact(1.0) - e) / (R::exact(1.0) + e);
                if x.value() < 0.0 { -y } else { y }
            }
            Activation::Relu if x.value() <= 0.0 => R::zero(),
            Activation::Relu | Activation::Identity => x,
        }
    }

    fn slope<R: Real>(self, x: R) -> R {
        match self {
            Activation::Tanh => {
                let e = (R::exact(-2.0) * x.abs()).exp();
                let d = R::exact(1.0) + e;
                R::exact(4.0) * e / d / d
            }
            Activation::Relu if x.value() <= 0.0 => R::zero(),
            Activation::Relu | Activation::Identity => R::exact(1.0),
        }
    }
}

/// Extents and options of a recurrence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extents {
    /// Samples.
    pub batch: usize,
    /// Steps `T`.
    pub steps: usize,
    /// `T`, or 1 for a drive that does not change.
    pub drives: usize,
    /// Nodes of the state.
    pub nodes: usize,
    /// Banks `L_W`.
    pub banks: usize,
    /// The bank of the first step; only its remainder by `banks` counts.
    pub first: usize,
    /// Whether the state after every step is an output, or after the last one alone.
    pub every: bool,
    /// The activation.
    pub activation: Activation,
}

impl Extents {
    /// The bank of a step.
    pub fn bank(&self, step: usize) -> usize {
        (self.first + step) % self.banks
    }

    /// Outputs of one sample.
    pub fn rows(&self) -> usize {
        if self.every { self.steps } else { 1 }
    }
}

/// The inputs.
#[derive(Clone, Copy)]
pub struct Inputs<'a, R> {
    /// `[batch, drives, nodes]`.
    pub drive: &'a [R],
    /// `h[0]`, `[batch, nodes]`.
    pub state: &'a [R],
    /// `[banks, nodes, nodes]`.
    pub w: &'a [R],
    /// `[banks, nodes]`.
    pub bias: &'a [R],
    /// `[1]`.
    pub alpha: &'a [R],
}

/// The arguments of the activation of one sample in step `t`, for the state `h` before it.
fn arguments<R: Real>(from: &Inputs<R>, e: &Extents, b: usize, t: usize, h: &[R]) -> Vec<R> {
    let (n, bank) = (e.nodes, e.bank(t));
    let drive = &from.drive[(b * e.drives + t.min(e.drives - 1)) * n..][..n];
    let argument = |i: usize| {
        let node = bank * n + i;
        let row = &from.w[node * n..][..n];
        let products = row.iter().zip(h).map(|(w, h)| *w * *h);
        R::sum(products.chain([drive[i], from.bias[node]]))
    };
    (0..n).map(argument).collect()
}

fn next<R: Real>(from: &Inputs<R>, e: &Extents, a: &[R], h: &[R]) -> Vec<R> {
    a.iter().zip(h).map(|(a, h)| from.alpha[0] * *h + e.activation.value(*a)).collect()
}

/// `dst`: `[batch, steps, nodes]`, or `[batch, nodes]`.
pub fn forward<R: Real>(from: &Inputs<R>, e: &Extents) -> Vec<R> {
    let mut dst = Vec::with_capacity(e.batch * e.rows() * e.nodes);
    for b in 0..e.batch {
        let mut h = from.state[b * e.nodes..][..e.nodes].to_vec();
        for t in 0..e.steps {
            h = next(from, e, &arguments(from, e, b, t, &h), &h);
            if e.every || t + 1 == e.steps {
                dst.extend_from_slice(&h);
            }
        }
    }
    dst
}

/// `[drive_bar, state_bar, w_bar, bias_bar, alpha_bar]`.
pub fn backward<R: Real>(from: &Inputs<R>, dst_bar: &[R], e: &Extents) -> [Vec<R>; 5] {
    let n = e.nodes;
    let mut drive_bar = Vec::with_capacity(from.drive.len());
    let mut state_bar = Vec::with_capacity(from.state.len());
    // The sums over samples and steps, term by term.
    let mut w_terms = vec![Vec::new(); from.w.len()];
    let mut bias_terms = vec![Vec::new(); from.bias.len()];
    let mut alpha_terms = Vec::new();
    for b in 0..e.batch {
        let (mut states, mut slopes) = (vec![from.state[b * n..][..n].to_vec()], Vec::new());
        for t in 0..e.steps {
            let a = arguments(from, e, b, t, &states[t]);
            states.push(next(from, e, &a, &states[t]));
            slopes.push(a.into_iter().map(|a| e.activation.slope(a)).collect::<Vec<R>>());
        }
        let bar = |row: usize| &dst_bar[(b * e.rows() + row) * n..][..n];
        let mut g = bar(e.rows() - 1).to_vec();
        let mut pulled = vec![vec![]; e.steps];
        for t in (0..e.steps).rev() {
            let s: Vec<R> = slopes[t].iter().zip(&g).map(|(slope, g)| *slope * *g).collect();
            let bank = e.bank(t);
            for i in 0..n {
                alpha_terms.push(g[i] * states[t][i]);
                bias_terms[bank * n + i].push(s[i]);
                for k in 0..n {
                    w_terms[(bank * n + i) * n + k].push(s[i] * states[t][k]);
                }
            }
            let back = |k: usize| {
                let products = (0..n).map(|i| from.w[(bank * n + i) * n + k] * s[i]);
                let given = (t > 0 && e.every).then(|| bar(t - 1)[k]);
                R::sum(products.chain([from.alpha[0] * g[k]]).chain(given))
            };
            g = (0..n).map(back).collect();
            pulled[t] = s;
        }
        state_bar.extend(g);
        match e.drives == e.steps {
            true => drive_bar.extend(pulled.concat()),
            false => drive_bar.extend((0..n).map(|i| R::sum(pulled.iter().map(|s| s[i])))),
        }
    }
    let sums = |terms: Vec<Vec<R>>| terms.into_iter().map(R::sum).collect();
    [drive_bar, state_bar, sums(w_terms), sums(bias_terms), vec![R::sum(alpha_terms)]]
}
