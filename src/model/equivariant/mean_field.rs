//! The order parameter of a wide random network, layer by layer.

use crate::error::{Error, ErrorKind, Result};

/// Panels of the integral.
const PANELS: usize = 4000;

/// How `c = E |phi(z)|²` goes from layer to layer when neurons are many: `z` is normal with `E |z|² = sigma_w² c`, so
/// `|z| = sigma_w sqrt(c / k) chi` with `chi` the length of `k` independent normal numbers, and
/// ```text
/// c' = E tanh²(sigma_w sqrt(c / k) chi_k)
/// ```
/// U(1) is the case `k = 2`. Derived from arXiv 2605.14685. As `tanh(r) < r`, `c' < sigma_w² c`: for `sigma_w <= 1` there
/// is nothing but `c = 0`. Above, `c' / c` falls from `sigma_w²` as `c` grows, and crosses 1 once.
#[derive(Clone, Debug)]
pub struct MeanField {
    k: usize,
    sigma_w: f64,
    /// Values of chi and their weights, which sum to 1.
    nodes: Vec<(f64, f64)>,
}

impl MeanField {
    /// Neurons of `k` components and weights of scaled deviation `sigma_w`.
    ///
    /// # Errors
    /// `Param` if `k` is 0 or above 1024, or for a `sigma_w` that is negative or not finite.
    pub fn new(k: usize, sigma_w: f64) -> Result<MeanField> {
        let refuse = |argument: &str, got: String, wanted: &str| {
            Err(Error::argument(ErrorKind::Param, "MeanField", argument, got, wanted))
        };
        if k == 0 || k > 1024 {
            return refuse("k", k.to_string(), "1 to 1024 components");
        }
        if !(sigma_w.is_finite() && sigma_w >= 0.0) {
            return refuse("sigma_w", sigma_w.to_string(), "a deviation: finite and not negative");
        }
        // Simpson's rule over what is left of the density x^(k-1) exp(-x²/2), relative to its peak near sqrt(k - 1).
        let peak = ((k - 1) as f64).sqrt();
        let log = |x: f64| if k == 1 { -0.5 * x * x } else { (k - 1) as f64 * x.ln() - 0.5 * x * x };
        let top = if k == 1 { 0.0 } else { log(peak) };
        let (low, high) = ((peak - 10.0).max(0.0), peak + 10.0);
        let step = (high - low) / PANELS as f64;
        let node = |i: usize| {
            let x = low + step * i as f64;
            let simpson = if i == 0 || i == PANELS { 1.0 } else { 2.0 + 2.0 * (i % 2) as f64 };
            (x, simpson * (log(x) - top).exp())
        };
        let mut nodes: Vec<(f64, f64)> = (0..=PANELS).map(node).collect();
        let total: f64 = nodes.iter().map(|(_, weight)| weight).sum();
        nodes.iter_mut().for_each(|(_, weight)| *weight /= total);
        Ok(MeanField { k, sigma_w, nodes })
    }

    fn mean(&self, c: f64, f: impl Fn(f64) -> f64) -> f64 {
        let scale = self.sigma_w * (c.max(0.0) / self.k as f64).sqrt();
        self.nodes.iter().map(|(x, weight)| weight * f(scale * x)).sum()
    }

    /// `c` of the next layer.
    pub fn next(&self, c: f64) -> f64 {
        self.mean(c, |r| r.tanh().powi(2))
    }

    /// The mean length `E |phi(z)|` of the next layer.
    pub fn next_norm(&self, c: f64) -> f64 {
        self.mean(c, f64::tanh)
    }

    /// By how much a layer multiplies the squared distance of two states that differ little, in the deep: with
    /// `r = sigma_w sqrt(c / k) chi_k` at the fixed point,
    /// ```text
    /// chi = sigma_w² E [(1 - tanh²(r))² + (k - 1) (tanh(r) / r)²] / k
    /// ```
    /// the mean square of the activation's derivative along a neuron and across it. It is `sigma_w²` below the transition
    /// and above 1 beyond it: what is no common rotation, rounding errors too, grows like `chi^(l / 2)`.
    pub fn stretch(&self) -> f64 {
        let across = |r: f64| if r < 1e-4 { 1.0 } else { r.tanh() / r };
        let along = |r: f64| 1.0 - r.tanh().powi(2);
        let square = |r: f64| along(r).powi(2) + (self.k - 1) as f64 * across(r).powi(2);
        self.sigma_w.powi(2) * self.mean(self.fixed_point(), square) / self.k as f64
    }

    /// The `c` that depth tends to: 0 up to `sigma_w = 1`.
    pub fn fixed_point(&self) -> f64 {
        if self.sigma_w <= 1.0 {
            return 0.0;
        }
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if self.next(middle) > middle { low = middle } else { high = middle }
        }
        0.5 * (low + high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_values_and_the_limit_near_the_transition() {
        let c = |k: usize, sigma_w: f64| MeanField::new(k, sigma_w).unwrap().fixed_point();
        for (sigma_w, wanted) in [(1.05, 0.0715), (1.2, 0.2486), (1.5, 0.4832), (2.0, 0.6898), (3.0, 0.8542)] {
            approx::assert_abs_diff_eq!(c(2, sigma_w), wanted, epsilon = 1e-4);
        }
        for (k, wanted) in [(1, 0.3526), (4, 0.5887), (8, 0.6572)] {
            approx::assert_abs_diff_eq!(c(k, 1.5), wanted, epsilon = 1e-4);
        }
        // Many components: chi is sqrt(k), and c = tanh²(sigma_w sqrt(c)), up to fluctuations of order 1 / k.
        let many = c(1000, 1.5);
        approx::assert_abs_diff_eq!(many, (1.5 * many.sqrt()).tanh().powi(2), epsilon = 1e-3);
        for k in [1, 2, 4] {
            assert_eq!((c(k, 0.7), c(k, 1.0)), (0.0, 0.0));
            assert!(c(k, 1.001) > 0.0 && MeanField::new(k, 0.9).unwrap().next(0.3) < 0.81 * 0.3);
        }
        for (k, wanted) in [(1, 1.139), (2, 1.101), (4, 1.065)] {
            approx::assert_abs_diff_eq!(MeanField::new(k, 1.5).unwrap().stretch(), wanted, epsilon = 1e-3);
            approx::assert_abs_diff_eq!(MeanField::new(k, 0.8).unwrap().stretch(), 0.64, epsilon = 1e-12);
        }
        // c = (3/4) (sigma_w² - 1) / sigma_w⁴ to first order.
        approx::assert_relative_eq!(c(2, 1.002), 0.75 * 0.004_004 / 1.008, max_relative = 0.01);
        assert!(MeanField::new(0, 1.0).is_err() && MeanField::new(2, f64::NAN).is_err());
    }
}
