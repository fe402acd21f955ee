//! One step of Adam on parameters `p` with gradients `g`, moments `m` and `v`, at step `t = 1, 2, …`:
//! ```text
//! g = min(1, max_norm / (norm + 1e-6)) g          norm over all gradients; absent without clipping
//! g = g + decay p                                 L2, where the decay is not decoupled
//! p = (1 - lr decay) p                            where it is
//! m = β1 m + (1 - β1) g
//! v = β2 v + (1 - β2) g²
//! p = p - lr / (1 - β1ᵗ) · m / (√v / √(1 - β2ᵗ) + ε)
//! ```
//! Source: Kingma and Ba 2015; Loshchilov and Hutter 2019 for the decoupled decay; the places of ε, of the decay and of
//! the clipping are those of PyTorch (`Adam`, `AdamW`, `clip_grad_norm_`).

use super::Real;

/// The numbers of one step, which a host knows before the device runs.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Coefficients {
    /// The largest norm of all gradients together.
    pub max_norm: Option<f64>,
    /// β1.
    pub beta1: f64,
    /// β2.
    pub beta2: f64,
    /// What the gradient gets of the parameter: the decay, 0 if it is decoupled.
    pub decay: f64,
    /// What the parameter keeps: `1 - lr decay` if the decay is decoupled, else 1.
    pub shrink: f64,
    /// `lr / (1 - β1ᵗ)`.
    pub rate: f64,
    /// `1 / √(1 - β2ᵗ)`.
    pub root: f64,
    /// ε.
    pub eps: f64,
}

/// What clipping adds to the norm.
const CLIP_EPS: f64 = 1e-6;

/// The next `[p, m, v]` from `state`, which holds the three one after another, and the squared norm of all gradients.
pub fn forward<R: Real>(state: &[R], grads: &[R], square: R, c: &Coefficients) -> Vec<R> {
    let len = grads.len();
    let one = R::exact(1.0);
    let clip = match c.max_norm {
        Some(most) => {
            let factor = R::constant(most) / (square.sqrt() + R::constant(CLIP_EPS));
            if factor.value() < 1.0 { factor } else { one }
        }
        None => one,
    };
    let mut next = state.to_vec();
    for i in 0..len {
        let (p, m, v) = (state[i], state[len + i], state[2 * len + i]);
        let g = clip * grads[i] + R::constant(c.decay) * p;
        let m = R::constant(c.beta1) * m + R::constant(1.0 - c.beta1) * g;
        let v = R::constant(c.beta2) * v + R::constant(1.0 - c.beta2) * (g * g);
        let step = m / (R::constant(c.root) * v.sqrt() + R::constant(c.eps));
        next[i] = R::constant(c.shrink) * p - R::constant(c.rate) * step;
        next[len + i] = m;
        next[2 * len + i] = v;
    }
    next
}
