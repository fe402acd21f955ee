//! Where the components of an oscillator lie in a row-major tensor.

/// A state seen as `[outer, n, inner]`: the `n` components of one oscillator lie `inner` apart.
///
/// An image state `[B, C, H, W]` has `outer = B C / n, inner = H W`; a token state `[B, T, C]` has
/// `outer = B T C / n, inner = 1`. Within either, `C / n` successive values of the outer index are
/// the oscillators of one position.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Oscillators {
    /// Independent samples, the first extent of the tensor. Energies are per sample.
    pub samples: usize,
    /// Oscillators per position, `C / n`.
    pub groups: usize,
    /// Extents before the components.
    pub outer: usize,
    /// Components of one oscillator.
    pub n: usize,
    /// Extents after the components.
    pub inner: usize,
}

impl Oscillators {
    /// Oscillators in all samples.
    pub fn count(&self) -> usize {
        self.outer * self.inner
    }

    /// Oscillators of one sample.
    pub fn per_sample(&self) -> usize {
        self.count().checked_div(self.samples).unwrap_or(0)
    }

    /// Index of component `k` of oscillator `i`, where `i = outer_index * inner + inner_index`.
    pub fn index(&self, i: usize, k: usize) -> usize {
        (i / self.inner * self.n + k) * self.inner + i % self.inner
    }

    /// Which of the `groups` oscillators of its position oscillator `i` is.
    pub fn group(&self, i: usize) -> usize {
        i / self.inner % self.groups
    }

    /// The components of oscillator `i`.
    pub fn gather<R: Copy>(&self, x: &[R], i: usize) -> Vec<R> {
        (0..self.n).map(|k| x[self.index(i, k)]).collect()
    }

    /// Writes the components of oscillator `i`.
    pub fn scatter<R: Copy>(&self, x: &mut [R], i: usize, components: &[R]) {
        for (k, v) in components.iter().enumerate() {
            x[self.index(i, k)] = *v;
        }
    }
}

/// A tensor seen as `[outer, channels, inner]` about its channel axis.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Channels {
    /// Product of the extents before the axis.
    pub outer: usize,
    /// Extent of the axis.
    pub channels: usize,
    /// Product of the extents after the axis.
    pub inner: usize,
}

impl Channels {
    /// Positions, all axes but that of the channels.
    pub fn positions(&self) -> usize {
        self.outer * self.inner
    }

    /// Index of channel `c` at position `p = outer_index * inner + inner_index`.
    pub fn index(&self, p: usize, c: usize) -> usize {
        (p / self.inner * self.channels + c) * self.inner + p % self.inner
    }

    /// The position that element `i` belongs to.
    pub fn position(&self, i: usize) -> usize {
        i / (self.channels * self.inner) * self.inner + i % self.inner
    }
}

/// The last pairs of states and residuals that a solver of fixed points keeps per sample, a ring of `window` slots.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// Independent samples.
    pub samples: usize,
    /// Elements of a sample.
    pub len: usize,
    /// Slots.
    pub window: usize,
    /// Slots that hold a pair: the first ones.
    pub filled: usize,
    /// That of the newest pair.
    pub slot: usize,
}

impl Window {
    /// The ring with the pair of iteration `iteration`, counted from 0, as its newest; at least one slot.
    pub fn new(samples: usize, len: usize, window: usize, iteration: usize) -> Window {
        let window = window.max(1);
        Window { samples, len, window, filled: window.min(iteration.saturating_add(1)), slot: iteration % window }
    }

    /// The ring of a secant method: steps before the newest residual's slot, nothing after it. It begins anew every
    /// `window` iterations.
    pub fn secants(samples: usize, len: usize, window: usize, iteration: usize) -> Window {
        let at = Window::new(samples, len, window, iteration);
        Window { filled: at.slot + 1, ..at }
    }

    /// How many inner products with the newest residual are wanted: none where there is nothing to mix.
    pub fn dots(&self) -> usize {
        if self.window == 1 { 0 } else { self.filled }
    }
}
