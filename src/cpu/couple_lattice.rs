//! Kuramoto coupling of phases on a square lattice by one stencil of weights with odd extents:
//! ```text
//! rate[b, p] = base[b, p] + K_b sum_t w[t] sin D[b, p, t],    D[b, p, t] = θ[b, p + t] - (θ[b, p] + a_b)
//! ```
//! over the taps `t` of the stencil, whose centre is the place `p` itself. On a periodic lattice `p + t` is turned, on an
//! open one taps without a place are left out.
//!
//! Source: H. Sakaguchi, S. Shinomoto and Y. Kuramoto, Prog. Theor. Phys. 77 (1987) 1005, for nearest neighbours; a stencil
//! is the kernel of a nonlocal coupling, as in D. Abrams and S. Strogatz, Phys. Rev. Lett. 93 (2004) 174102.
//!
//! Backward, `λ = rate_bar`, with a term of each place and tap:
//! ```text
//! θ_bar[p + t] += K w[t] λ[p] cos D      θ_bar[p] -= K w[t] λ[p] cos D      base_bar[p] = λ[p]
//! w_bar[t] = sum K λ sin D               K_bar[b] = sum λ w sin D           a_bar[b] = -K sum λ w cos D
//! ```

use super::Real;

/// Extents of a coupling, and how the lattice ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extents {
    /// Samples.
    pub batch: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Rows of the stencil, odd.
    pub kh: usize,
    /// Columns of the stencil, odd.
    pub kw: usize,
    /// Whether the lattice is a torus.
    pub periodic: bool,
    /// Whether each sample has its own `base`.
    pub own_base: bool,
}

impl Extents {
    /// Places of a sample.
    pub fn plane(&self) -> usize {
        self.height * self.width
    }

    /// `r + dr - k/2` on an axis, if there is such a place.
    fn tap(&self, r: usize, dr: usize, k: usize, extent: usize) -> Option<usize> {
        if self.periodic {
            return Some((r as isize + dr as isize - (k / 2) as isize).rem_euclid(extent as isize) as usize);
        }
        (r + dr).checked_sub(k / 2).filter(|r| *r < extent)
    }

    /// Calls `f(b, p, tap, q)` for every place `p` of a sample `b` and every tap with a place `q`.
    fn for_each(&self, mut f: impl FnMut(usize, usize, usize, usize)) {
        for at in 0..self.batch * self.plane() {
            let (b, r, c) = (at / self.plane(), at % self.plane() / self.width, at % self.width);
            for dr in 0..self.kh {
                let Some(row) = self.tap(r, dr, self.kh, self.height) else { continue };
                for dc in 0..self.kw {
                    let Some(col) = self.tap(c, dc, self.kw, self.width) else { continue };
                    f(b, at, dr * self.kw + dc, b * self.plane() + row * self.width + col);
                }
            }
        }
    }

    fn base(&self, at: usize) -> usize {
        if self.own_base { at } else { at % self.plane() }
    }
}

/// What goes into a coupling.
#[derive(Clone, Copy, Debug)]
pub struct Operands<'a, R> {
    /// Phases, `[batch, height, width]`.
    pub theta: &'a [R],
    /// Rates without a coupling, `[height, width]` or `[batch, height, width]`.
    pub base: &'a [R],
    /// The stencil, `[kh, kw]`.
    pub weights: &'a [R],
    /// Strengths `K`, `[batch]`.
    pub strength: &'a [R],
    /// Lags `a`, `[batch]`.
    pub lag: &'a [R],
}

impl<R: Real> Operands<'_, R> {
    /// `(sin D, cos D)`.
    fn direction(&self, b: usize, p: usize, q: usize) -> (R, R) {
        (self.theta[q] - (self.theta[p] + self.lag[b])).sin_cos()
    }
}

fn sums<R: Real>(terms: Vec<Vec<R>>) -> Vec<R> {
    terms.into_iter().map(R::sum).collect()
}

/// `rate [batch, height, width]`.
pub fn forward<R: Real>(x: &Operands<R>, at: &Extents) -> Vec<R> {
    let mut terms = vec![Vec::new(); x.theta.len()];
    at.for_each(|b, p, tap, q| terms[p].push(x.weights[tap] * x.direction(b, p, q).0));
    let pulled = sums(terms).into_iter().enumerate();
    pulled.map(|(p, sum)| x.base[at.base(p)] + x.strength[p / at.plane()] * sum).collect()
}

/// The cotangents of `theta`, `base`, `weights`, `strength` and `lag`.
pub fn backward<R: Real>(x: &Operands<R>, rate_bar: &[R], at: &Extents) -> [Vec<R>; 5] {
    let [mut theta, mut base, mut weights, mut strength, mut lag] =
        [x.theta, x.base, x.weights, x.strength, x.lag].map(|operand| vec![Vec::new(); operand.len()]);
    at.for_each(|b, p, tap, q| {
        let (sin, cos) = x.direction(b, p, q);
        let (w, k) = (x.weights[tap], x.strength[b]);
        let (c, s) = (w * (rate_bar[p] * cos), rate_bar[p] * sin);
        theta[q].push(c);
        theta[p].push(-c);
        weights[tap].push(k * s);
        strength[b].push(w * s);
        lag[b].push(-(k * c));
    });
    for (p, bar) in rate_bar.iter().enumerate() {
        base[at.base(p)].push(*bar);
    }
    let turned = sums(theta).into_iter().enumerate().map(|(p, sum)| x.strength[p / at.plane()] * sum);
    [turned.collect(), sums(base), sums(weights), sums(strength), sums(lag)]
}
