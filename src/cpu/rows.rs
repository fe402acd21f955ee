//! What the normalisations share: which elements of a tensor `[outer, channels, inner]` have a mean and a variance
//! in common (a row), and the map
//! ```text
//! s = first element of the row,  m = mean (x - s),  d = (x - s) - m,  v = mean d^2,  r = 1 / sqrt(v + eps)
//! h = d r,  dst = h weight + bias
//! ```
//! `s` is what keeps `d` accurate where the mean is large beside the deviations: `x - s` is of their size, and exact
//! for neighbours within a factor of two (Sterbenz). The value does not depend on it, so neither do derivatives.
//!
//! Backward, with `g = dst_bar weight` and means over the row: `dh/dx` is `r (I - 1 1^T/n - h h^T/n)`, symmetric, as
//! `d` is `(I - 1 1^T/n) x` and `dr/dx = - r^2 h/n`; hence `x_bar = r (g - mean g - h mean(g h))`,
//! `weight_bar = sum dst_bar h`, `bias_bar = sum dst_bar` over everything but the channel.

use super::Real;

/// Which elements of `[outer, channels, inner]` share statistics.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Over {
    /// The channels of one of so many groups at all positions of one outer index.
    Group(usize),
    /// All channels at one position of one outer index.
    Channels,
    /// One channel at all positions of all outer indices.
    Samples,
}

/// A tensor seen as `[outer, channels, inner]` and as rows of elements that share statistics.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rows {
    /// Extents before the channels.
    pub outer: usize,
    /// The channels.
    pub channels: usize,
    /// Extents after the channels.
    pub inner: usize,
    /// What makes a row.
    pub over: Over,
}

impl Rows {
    /// Number of rows.
    pub fn count(&self) -> usize {
        match self.over {
            Over::Group(groups) => self.outer * groups,
            Over::Channels => self.outer * self.inner,
            Over::Samples => self.channels,
        }
    }

    /// Elements of a row.
    pub fn len(&self) -> usize {
        match self.over {
            Over::Group(groups) => self.channels / groups * self.inner,
            Over::Channels => self.channels,
            Over::Samples => self.outer * self.inner,
        }
    }

    /// Whether rows have no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Index of element `j` of a row.
    pub fn index(&self, row: usize, j: usize) -> usize {
        let sample = self.channels * self.inner;
        match self.over {
            Over::Group(_) => row * self.len() + j,
            Over::Channels => row / self.inner * sample + row % self.inner + j * self.inner,
            Over::Samples => j / self.inner * sample + row * self.inner + j % self.inner,
        }
    }

    /// The row of an element.
    pub fn row(&self, index: usize) -> usize {
        match self.over {
            Over::Group(_) => index / self.len(),
            Over::Channels => index / (self.channels * self.inner) * self.inner + index % self.inner,
            Over::Samples => self.channel(index),
        }
    }

    /// The channel of an element.
    pub fn channel(&self, index: usize) -> usize {
        index / self.inner % self.channels
    }

    /// The mean over each row of a term per element.
    pub fn means<R: Real>(&self, terms: &[R]) -> Vec<R> {
        let share = R::constant(1.0 / self.len().max(1) as f64);
        let sum = |row| R::sum((0..self.len()).map(|j| terms[self.index(row, j)]));
        (0..self.count()).map(|row| sum(row) * share).collect()
    }

    /// Mean, variance and deviations of the rows.
    pub fn statistics<R: Real>(&self, x: &[R]) -> Statistics<R> {
        let shifted: Vec<R> = x.iter().enumerate().map(|(e, v)| *v - x[self.index(self.row(e), 0)]).collect();
        let offset = self.means(&shifted);
        let deviation: Vec<R> = shifted.iter().enumerate().map(|(e, v)| *v - offset[self.row(e)]).collect();
        let squares: Vec<R> = deviation.iter().map(|d| *d * *d).collect();
        let variance = self.means(&squares);
        let mean = match x.is_empty() {
            true => offset,
            false => offset.iter().enumerate().map(|(row, m)| x[self.index(row, 0)] + *m).collect(),
        };
        Statistics { mean, variance, deviation }
    }

    /// `h = d r` of every element, for deviations `d` and variances `v` of the rows; and `r`.
    pub fn normalized<R: Real>(&self, deviation: &[R], variance: &[R], eps: f64) -> (Vec<R>, Vec<R>) {
        let r: Vec<R> = variance.iter().map(|v| (*v + R::exact(eps)).inverse_sqrt()).collect();
        (deviation.iter().enumerate().map(|(e, d)| *d * r[self.row(e)]).collect(), r)
    }

    /// `h weight + bias`.
    pub fn affine<R: Real>(&self, h: &[R], weight: Option<&[R]>, bias: Option<&[R]>) -> Vec<R> {
        let mut dst = self.weighted(h, weight);
        if let Some(bias) = bias {
            dst.iter_mut().enumerate().for_each(|(e, v)| *v = *v + bias[self.channel(e)]);
        }
        dst
    }

    /// `g weight`.
    pub fn weighted<R: Real>(&self, g: &[R], weight: Option<&[R]>) -> Vec<R> {
        match weight {
            Some(weight) => g.iter().enumerate().map(|(e, g)| *g * weight[self.channel(e)]).collect(),
            None => g.to_vec(),
        }
    }

    /// `r (g - mean g - h mean(g h))`, where `g` has the weight already; without the mean of `g` if the map does not
    /// subtract the mean of `x`.
    pub fn pulled<R: Real>(&self, g: &[R], h: &[R], r: &[R], centred: bool) -> Vec<R> {
        let along = self.means(&g.iter().zip(h).map(|(g, h)| *g * *h).collect::<Vec<_>>());
        let mean = if centred { self.means(g) } else { vec![R::zero(); self.count()] };
        let pull = |(e, g): (usize, &R)| {
            let row = self.row(e);
            ((*g - mean[row]) - h[e] * along[row]) * r[row]
        };
        g.iter().enumerate().map(pull).collect()
    }

    /// Sums of a term per element over everything but the channel.
    pub fn channel_sums<R: Real>(&self, terms: &[R]) -> Vec<R> {
        let channel = Rows { over: Over::Samples, ..*self };
        (0..self.channels).map(|c| R::sum((0..channel.len()).map(|j| terms[channel.index(c, j)]))).collect()
    }

    /// `[weight_bar, bias_bar]`, as far as the operands are there.
    pub fn parameter_bars<R: Real>(&self, h: &[R], dst_bar: &[R], weight: bool, bias: bool) -> Vec<Vec<R>> {
        let products = || dst_bar.iter().zip(h).map(|(g, h)| *g * *h).collect::<Vec<_>>();
        let weight = weight.then(|| self.channel_sums(&products()));
        let bias = bias.then(|| self.channel_sums(dst_bar));
        weight.into_iter().chain(bias).collect()
    }
}

/// What [`Rows::statistics`] finds.
pub struct Statistics<R> {
    /// Per row.
    pub mean: Vec<R>,
    /// Per row, biased: the mean of squared deviations.
    pub variance: Vec<R>,
    /// Per element: `x` minus the mean of its row.
    pub deviation: Vec<R>,
}
