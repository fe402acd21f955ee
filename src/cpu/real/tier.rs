//! The two ways to draw an error bound.

/// How strictly a bound is drawn.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Tier {
    /// What WGSL guarantees on any conforming device: each `+ - *` within one unit in the last
    /// place (`u = 2^-23`, rounding may go either way), worst-case sums, results that may be flushed
    /// to zero below `2^-126`.
    Hard,
    /// What drivers do: round to nearest (`u = 2^-24`), sums that grow like the root of their length,
    /// built-ins at twice the error measured on software drivers.
    Calibrated,
}

impl Tier {
    /// Both tiers, in the order of `Bound::error`.
    pub const ALL: [Tier; 2] = [Tier::Hard, Tier::Calibrated];

    pub(super) fn unit(self) -> f64 {
        match self {
            Tier::Hard => f64::powi(2.0, -23),
            Tier::Calibrated => f64::powi(2.0, -24),
        }
    }

    /// Factor on `sum |t_i|` for `roundings` successive roundings in any order: `γ_k = k u / (1 - k u)`,
    /// or its probabilistic form `min(k, 4 √k) u` (Higham and Mary 2019).
    pub(super) fn gamma(self, roundings: usize) -> f64 {
        let k = roundings as f64;
        match self {
            Tier::Hard => k * self.unit() / (1.0 - k * self.unit()),
            Tier::Calibrated => k.min(4.0 * k.sqrt()) * self.unit(),
        }
    }

    /// Relative error of a built-in that is specified to `ulps` units in the last place. The calibrated
    /// figures are twice what was measured: 0.5 for division and square root, 1.5 for inverseSqrt,
    /// never more than the specification.
    pub(super) fn builtin(self, ulps: f64, measured: f64) -> f64 {
        let ulps = match self {
            Tier::Hard => ulps,
            Tier::Calibrated => ulps.min(2.0 * measured),
        };
        ulps * f64::powi(2.0, -23)
    }
}
