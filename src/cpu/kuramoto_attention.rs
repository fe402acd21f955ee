//! Attention whose state is angles: one step of a Kuramoto model whose couplings are softmax weights. Per head, with angles
//! `θ_t` of `Dh` coordinates each, a metric `g`, a temperature `τ`, a step `η` and drifts `w`:
//! ```text
//! score_tu = 1/τ sum_d g_d cos(θ_td - θ_ud + w_d (t - u)),    A = softmax over u (u <= t if causal)
//! dst_td = wrap(θ_td + η sum_u A_tu sin(θ_ud - θ_td)) = wrap(θ_td + η (S_td cos θ_td - C_td sin θ_td))
//! C_td = sum_u A_tu cos θ_ud,   S_td = sum_u A_tu sin θ_ud
//! ```
//! With gates of tokens `a_td` and `b_ud`, of queries and keys, the score is `1/τ sum_d g_d a_td b_ud cos(..)`.
//!
//! It is attention between features: with `φ_t = θ_t + w t`, `e_t = (cos φ_t, sin φ_t)`, `q_t = g/τ a_t e_t`,
//! `k_u = b_u e_u` and `v_u = (cos θ_u, sin θ_u)` the score is `q_t . k_u`, and `(C, S)` is what is mixed. `g` stays on one
//! side, so that its gradient has no root in it.
//!
//! Source: Kuramoto attention (arXiv 2606.11585), whose abstract fixes the update, the gated cosine and the drift; gate,
//! heads and step are this library's choice.
//!
//! Backward, `G = dst_bar`: `C_bar = -η G sin θ`, `S_bar = η G cos θ` go through the attention and give `q_bar`, `k_bar`,
//! `v_bar`; with `J(x) = (-x_s, x_c)` for a pair `x = (x_c, x_s)`
//! ```text
//! θ_bar = G - η G (S sin θ + C cos θ) + v_bar . J(v) + q_bar . J(q) + k_bar . J(k)
//! g_bar = 1/τ sum_bt a q_bar . e    τ_bar = -1/τ sum_d g_d g_bar_d     η_bar = sum_btd G (S cos θ - C sin θ)
//! w_bar = sum_bt t (q_bar . J(q) + k_bar . J(k))   a_bar = g/τ q_bar . e    b_bar = k_bar . e
//! ```

use super::Real;
use super::attention::{Rows, Scores};

/// Extents of angles `[batch, tokens, heads, dim]`, and who sees whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Phases {
    /// Samples.
    pub batch: usize,
    /// Tokens of a sample.
    pub tokens: usize,
    /// Heads.
    pub heads: usize,
    /// Angles of a head.
    pub dim: usize,
    /// Whether keys past the query are left out.
    pub causal: bool,
}

impl Phases {
    pub(super) fn scores(&self) -> Scores {
        let rows = self.batch * self.heads * self.tokens;
        Scores { rows, tokens: self.tokens, causal: self.causal, scale: 1.0 }
    }

    /// Index of angle `d` of a row; rows are samples, heads, tokens in this order.
    fn index(&self, row: usize, d: usize) -> usize {
        let (token, head) = (row % self.tokens, row / self.tokens % self.heads);
        let sample = row / (self.tokens * self.heads);
        ((sample * self.tokens + token) * self.heads + head) * self.dim + d
    }

    fn head(&self, row: usize) -> usize {
        row / self.tokens % self.heads
    }

    fn of_head(&self, head: usize) -> impl Iterator<Item = usize> {
        let (tokens, heads) = (self.tokens, self.heads);
        (0..self.batch).flat_map(move |b| (0..tokens).map(move |t| (b * heads + head) * tokens + t))
    }
}

/// What a head's parameters are: `gate` and `drift` are `[heads, dim]`, `tau` and `eta` are `[heads]`.
#[derive(Clone, Copy, Debug)]
pub struct Operands<'a, R> {
    /// The angles.
    pub theta: &'a [R],
    /// The metric `g`.
    pub gate: &'a [R],
    /// The temperature `τ`.
    pub tau: &'a [R],
    /// The step `η`.
    pub eta: &'a [R],
    /// The drifts `w`, in radians a token.
    pub drift: &'a [R],
    /// The gates of queries and keys, as `theta`.
    pub content: Option<[&'a [R]; 2]>,
}

/// `[q, k, v, e]`, `dim` cosines and then `dim` sines a row. Whole turns of a drift are taken off first: the shader multiplies
/// exactly, and what it rounds afterwards is no more than what the product may be off by here.
pub(super) fn features<R: Real>(x: &Operands<R>, at: &Phases) -> [Rows<R>; 4] {
    let mut all = [vec![], vec![], vec![], vec![]];
    for row in 0..at.scores().rows {
        let (head, token) = (at.head(row), row % at.tokens);
        let circle = |angle: &dyn Fn(usize) -> R| -> Vec<R> {
            let pairs: Vec<(R, R)> = (0..at.dim).map(|d| angle(d).sin_cos()).collect();
            pairs.iter().map(|pair| pair.1).chain(pairs.iter().map(|pair| pair.0)).collect()
        };
        let own = |d: usize| x.theta[at.index(row, d)];
        let e = circle(&|d| own(d) + (x.drift[head * at.dim + d] * R::exact(token as f64)).wrap());
        let metric = |c: usize| {
            let metric = x.gate[head * at.dim + c % at.dim] / x.tau[head];
            x.content.map_or(metric, |[queries, _]| metric * queries[at.index(row, c % at.dim)])
        };
        let open = |(c, e): (usize, &R)| x.content.map_or(*e, |[_, keys]| keys[at.index(row, c % at.dim)] * *e);
        all[0].push(e.iter().enumerate().map(|(c, e)| metric(c) * *e).collect());
        all[1].push(e.iter().enumerate().map(open).collect());
        all[2].push(circle(&own));
        all[3].push(e);
    }
    all
}

/// The angles after the step, in `[-π, π]`.
pub fn forward<R: Real>(x: &Operands<R>, at: &Phases) -> Vec<R> {
    let [q, k, v, _] = features(x, at);
    let mixed = at.scores().mix(&q, &k, &v);
    let mut dst = vec![R::zero(); x.theta.len()];
    for (row, (v, mixed)) in v.iter().zip(&mixed).enumerate() {
        for d in 0..at.dim {
            let (cos, sin, c, s) = (v[d], v[at.dim + d], mixed[d], mixed[at.dim + d]);
            let i = at.index(row, d);
            dst[i] = (x.theta[i] + x.eta[at.head(row)] * (s * cos - c * sin)).wrap();
        }
    }
    dst
}

/// The cotangents of `theta`, `gate`, `tau`, `eta` and `drift`, and of the gates of tokens if there are any.
pub fn backward<R: Real>(x: &Operands<R>, dst_bar: &[R], at: &Phases) -> Vec<Vec<R>> {
    let [q, k, v, e] = features(x, at);
    let mixed = at.scores().mix(&q, &k, &v);
    let dim = at.dim;
    let mixed_bar = v.iter().enumerate().map(|(row, v)| {
        let step = |d: usize| x.eta[at.head(row)] * dst_bar[at.index(row, d)];
        (0..dim).map(|d| -step(d) * v[dim + d]).chain((0..dim).map(|d| step(d) * v[d])).collect()
    });
    let mixed_bar: Rows<R> = mixed_bar.collect();
    let [q_bar, k_bar, v_bar] = at.scores().bars([&q, &k, &v], &mixed_bar, &mixed);
    // The two terms of x_bar . J(x).
    let turned = |x: &Rows<R>, bar: &Rows<R>, row: usize, d: usize| {
        [-x[row][dim + d] * bar[row][d], x[row][d] * bar[row][dim + d]]
    };
    let drifted = |row: usize, d: usize| [turned(&q, &q_bar, row, d), turned(&k, &k_bar, row, d)].concat();
    let mut theta_bar = vec![R::zero(); x.theta.len()];
    for row in 0..at.scores().rows {
        for d in 0..dim {
            let i = at.index(row, d);
            let (cos, sin, c, s) = (v[row][d], v[row][dim + d], mixed[row][d], mixed[row][dim + d]);
            let step = x.eta[at.head(row)] * dst_bar[i];
            let mut terms = vec![dst_bar[i], -step * (s * sin + c * cos)];
            terms.extend(turned(&v, &v_bar, row, d));
            terms.extend(drifted(row, d));
            theta_bar[i] = R::sum(terms);
        }
    }
    let (mut gate_bar, mut tau_bar, mut eta_bar, mut drift_bar) = (vec![], vec![], vec![], vec![]);
    for head in 0..at.heads {
        for d in 0..dim {
            let met = at.of_head(head).flat_map(|row| {
                let along = [d, dim + d].map(|c| q_bar[row][c] * e[row][c]);
                x.content.map_or(along, |[queries, _]| along.map(|term| queries[at.index(row, d)] * term))
            });
            gate_bar.push(R::sum(met) / x.tau[head]);
            let moved = at.of_head(head).flat_map(|row| {
                let token = R::exact((row % at.tokens) as f64);
                drifted(row, d).into_iter().map(move |term| token * term)
            });
            drift_bar.push(R::sum(moved));
        }
        let of_head = head * dim..(head + 1) * dim;
        tau_bar.push(-R::dot(&x.gate[of_head.clone()], &gate_bar[of_head]) / x.tau[head]);
        eta_bar.push(R::sum(at.of_head(head).flat_map(|row| {
            let (v, mixed) = (&v[row], &mixed[row]);
            (0..dim).map(move |d| dst_bar[at.index(row, d)] * (mixed[dim + d] * v[d] - mixed[d] * v[dim + d]))
        })));
    }
    let mut all = vec![theta_bar, gate_bar, tau_bar, eta_bar, drift_bar];
    if x.content.is_some() {
        let mut bars = [vec![R::zero(); x.theta.len()], vec![R::zero(); x.theta.len()]];
        for (row, e) in e.iter().enumerate() {
            for d in 0..dim {
                let along = |bar: &Rows<R>| R::sum([d, dim + d].map(|c| bar[row][c] * e[c]));
                let metric = x.gate[at.head(row) * dim + d] / x.tau[at.head(row)];
                (bars[0][at.index(row, d)], bars[1][at.index(row, d)]) = (metric * along(&q_bar), along(&k_bar));
            }
        }
        all.extend(bars);
    }
    all
}
