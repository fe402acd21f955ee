//! The rate of phases in a field `Y = (Y_c, Y_s)`, of which each node has its own or each sample has one:
//! ```text
//! rate = base + K (Y_s cos a - Y_c sin a),   a = m θ + lag
//! ```
//! With the order parameter `Y_c + i Y_s = <e^{i θ}>` as its field and `m = 1` this is Kuramoto's model with the phase
//! lag of Sakaguchi and Kuramoto (1986): `K <sin(θ_j - θ_i - lag)>`, as `Y_s cos a - Y_c sin a = Im (Y e^{-i a})`.
//!
//! Backward, with `g = rate_bar` and the slope `v = -(Y_s sin a + Y_c cos a)`:
//! ```text
//! theta_bar = m K g v,   base_bar = g,   field_bar = K g (-sin a, cos a)
//! strength_bar[b] = sum_i g (Y_s cos a - Y_c sin a),   lag_bar[b] = sum_i K g v
//! ```
//! summed over the samples for a shared base and over the nodes for a field per sample.

use super::Real;

/// Extents and options.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extents {
    /// Samples.
    pub samples: usize,
    /// Nodes of a sample.
    pub nodes: usize,
    /// Whether samples share the base.
    pub shared: bool,
    /// Whether each node has a field of its own.
    pub per_node: bool,
    /// The whole number that angles are multiplied by.
    pub harmonic: u32,
}

impl Extents {
    fn field(&self, e: usize) -> usize {
        2 * if self.per_node { e } else { e / self.nodes }
    }

    /// The sums of a term per node over the nodes of each sample.
    fn per_sample<R: Real>(&self, term: impl Fn(usize) -> R) -> Vec<R> {
        let nodes = self.nodes;
        (0..self.samples).map(|b| R::sum((b * nodes..(b + 1) * nodes).map(&term))).collect()
    }

    fn len(&self) -> usize {
        self.samples * self.nodes
    }
}

/// Operands, in the order of the op.
#[derive(Clone, Copy, Debug)]
pub struct Operands<'a, R> {
    /// `[samples, nodes]`.
    pub theta: &'a [R],
    /// `[nodes]` if it is shared, `[samples, nodes]`.
    pub base: &'a [R],
    /// `[samples, nodes or 1, 2]`.
    pub field: &'a [R],
    /// `[samples]`.
    pub strength: &'a [R],
    /// `[samples]`.
    pub lag: &'a [R],
}

/// `(sin a, cos a)` of element `e`.
fn direction<R: Real>(x: &Operands<'_, R>, at: &Extents, e: usize) -> (R, R) {
    let theta = match at.harmonic {
        1 => x.theta[e],
        m => R::exact(f64::from(m)) * x.theta[e],
    };
    (theta + x.lag[e / at.nodes]).sin_cos()
}

/// `[Y_s cos a - Y_c sin a, its slope]` of element `e`.
fn pull<R: Real>(x: &Operands<'_, R>, at: &Extents, e: usize) -> [R; 2] {
    let (sin, cos) = direction(x, at, e);
    let (y_c, y_s) = (x.field[at.field(e)], x.field[at.field(e) + 1]);
    [y_s * cos - y_c * sin, -(y_s * sin + y_c * cos)]
}

/// `rate [samples, nodes]`.
pub fn forward<R: Real>(x: &Operands<'_, R>, at: &Extents) -> Vec<R> {
    let rate = |e: usize| {
        let base = x.base[if at.shared { e % at.nodes } else { e }];
        base + x.strength[e / at.nodes] * pull(x, at, e)[0]
    };
    (0..at.len()).map(rate).collect()
}

/// `[theta_bar, base_bar, field_bar, strength_bar, lag_bar]`.
pub fn backward<R: Real>(x: &Operands<'_, R>, rate_bar: &[R], at: &Extents) -> [Vec<R>; 5] {
    let g = |e: usize| x.strength[e / at.nodes] * rate_bar[e];
    let harmonic = R::exact(f64::from(at.harmonic));
    let theta_bar = (0..at.len()).map(|e| harmonic * (g(e) * pull(x, at, e)[1])).collect();
    let base_bar = match at.shared {
        true => (0..at.nodes).map(|i| R::sum((0..at.samples).map(|b| rate_bar[b * at.nodes + i]))).collect(),
        false => rate_bar.to_vec(),
    };
    let to_cos = |e: usize| -(g(e) * direction(x, at, e).0);
    let to_sin = |e: usize| g(e) * direction(x, at, e).1;
    let pairs = |cos: Vec<R>, sin: Vec<R>| cos.into_iter().zip(sin).flat_map(|(c, s)| [c, s]).collect();
    let field_bar = match at.per_node {
        true => (0..at.len()).flat_map(|e| [to_cos(e), to_sin(e)]).collect(),
        false => pairs(at.per_sample(to_cos), at.per_sample(to_sin)),
    };
    let strength_bar = at.per_sample(|e| rate_bar[e] * pull(x, at, e)[0]);
    let lag_bar = at.per_sample(|e| g(e) * pull(x, at, e)[1]);
    [theta_bar, base_bar, field_bar, strength_bar, lag_bar]
}
