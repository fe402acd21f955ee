//! Fixed-query oscillator attention: one free oscillator per query in the field of anchors that belong to positions, read
//! at its equilibrium. Source: arXiv 2606.12059 and its code; names of parameters are the published ones.
//!
//! ```text
//! h_i = sum_j W_ij a_j,  W_ij = softplus(q_i . k_j / sqrt(d));   x_i = h_i / |h_i|;   o_i = sum_j A_ij v_j,
//! A_ij = max(1 + x_i . a_j, 0)^p / sum_j max(1 + x_i . a_j, 0)^p
//! ```
//! "Fixed" are the anchors, not the queries. The direction of `h_i` is where `dx/dt = P_x h_i` ends from every start but
//! `-h_i`; [`Tape::equilibrate`] goes there step by step. Where `|h_i|` is near 0 (anchors that cancel) the equilibrium
//! is degenerate, and its gradient as large as `1 / |h_i|`. A norm is clamped at 1e-12, where the published code has 1e-8.

mod network;

pub use network::{Attention, Dropout, SequenceConfig, SequenceNet, Sequenced};

use super::parameters::{Bound, Builder, Initial, Role};
use crate::cpu::couple_anchors::AnchorCoupling;
use crate::error::{Error, ErrorKind, Result};
use crate::kernel::DType;
use crate::ops::couple_anchors::{AnchorOptions, CoupleAnchors};
use crate::ops::readout_anchors::{AnchorReadout, ReadoutAnchors};
use crate::tape::{Tape, Value, Var};

/// What padding is kept from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Padding {
    /// The coupling alone, as the published code has it: oscillators still read the values of padded keys.
    #[default]
    Coupling,
    /// The coupling and the readout: padded keys do nothing.
    Everywhere,
}

/// Options of the layer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FixedQueryConfig {
    /// Channels, a multiple of the heads, at most 64 in each.
    pub channels: usize,
    /// Heads, of consecutive channels.
    pub heads: usize,
    /// Components of an oscillator: 2, 4, 8, 16, 32 or 64.
    pub n: usize,
    /// Positions that have an anchor: the longest sequence.
    pub positions: usize,
    /// Whether a query sees only the keys up to itself.
    pub causal: bool,
    /// How scores couple.
    pub coupling: AnchorCoupling,
    /// The exponent p of the readout.
    pub power: u32,
    /// What padding is kept from.
    pub padding: Padding,
    /// Whether the readout separates its sums, see [`AnchorReadout::separated`].
    pub separated: bool,
}

impl FixedQueryConfig {
    /// The published layer: softplus, p = 1, every key seen.
    pub fn new(channels: usize, heads: usize, n: usize, positions: usize) -> FixedQueryConfig {
        FixedQueryConfig {
            channels,
            heads,
            n,
            positions,
            causal: false,
            coupling: AnchorCoupling::Softplus,
            power: 1,
            padding: Padding::Coupling,
            separated: false,
        }
    }

    /// Options of the readout.
    pub fn readout(&self) -> AnchorReadout {
        AnchorReadout { causal: self.causal, power: self.power, separated: self.separated }
    }
}

/// The layer with its projections.
#[derive(Clone, Debug)]
pub struct FixedQuery {
    config: FixedQueryConfig,
    prefix: String,
}

/// What the layer computed.
#[derive(Clone, Copy, Debug)]
pub struct Attended {
    /// `[B, T, channels]`.
    pub output: Var,
    /// The field on each query's oscillator, `[B, heads, T, n]`.
    pub field: Var,
    /// Its direction, the equilibrium.
    pub equilibrium: Var,
}

impl FixedQuery {
    /// A layer whose parameters' names begin with `prefix`.
    ///
    /// # Errors
    /// `Shape`, `Param` or `Index` for options that [`CoupleAnchors::new`] or [`ReadoutAnchors::new`] refuse.
    pub fn new(config: FixedQueryConfig, prefix: impl Into<String>) -> Result<FixedQuery> {
        let tokens = [0, config.positions, config.channels];
        let anchors = [config.heads, config.positions, config.n];
        let options = AnchorOptions { causal: config.causal, coupling: config.coupling };
        CoupleAnchors::new(&tokens, &anchors, false, &options)?;
        ReadoutAnchors::new(&tokens, &anchors, false, &config.readout())?;
        Ok(FixedQuery { config, prefix: prefix.into() })
    }

    /// The options.
    pub fn config(&self) -> &FixedQueryConfig {
        &self.config
    }

    /// Adds `q.weight`, `k.weight`, `v.weight`, `o.weight`, `o.bias` and `anchor`, whose vectors begin on the sphere.
    pub fn parameters(&self, builder: &mut Builder) {
        let FixedQueryConfig { channels, heads, n, positions, .. } = self.config;
        for (part, bias) in [("q", false), ("k", false), ("v", false), ("o", true)] {
            builder.affine(&format!("{}{part}", self.prefix), &[channels, channels], bias);
        }
        let anchor = format!("{}anchor", self.prefix);
        builder.add(anchor, &[heads, positions, n], Role::Learned, Initial::Directions(n));
    }

    /// Attention of `x` `[B, T, channels]` to itself. Keys from `lengths[b]` on (`[B]` integers) are padding.
    ///
    /// # Errors
    /// `Shape` for other extents or more tokens than anchors; as [`Tape::apply`].
    pub fn forward(&self, tape: &mut Tape, bound: &Bound, x: Var, lengths: Option<Var>) -> Result<Attended> {
        let get = |name: &str| bound.get(&format!("{}{name}", self.prefix));
        let q = tape.linear(x, get("q.weight")?, None, 2)?;
        let k = tape.linear(x, get("k.weight")?, None, 2)?;
        let v = tape.linear(x, get("v.weight")?, None, 2)?;
        let anchors = get("anchor")?;
        let FixedQueryConfig { causal, coupling, n, .. } = self.config;
        let field = tape.couple_anchors(q, k, anchors, lengths, &AnchorOptions { causal, coupling })?;
        let equilibrium = tape.sphere_normalize(field, 3, n)?;
        let mixed = tape.readout_anchors(equilibrium, v, anchors, self.unread(lengths), &self.config.readout())?;
        let output = tape.linear(mixed, get("o.weight")?, Some(get("o.bias")?), 2)?;
        Ok(Attended { output, field, equilibrium })
    }

    /// The weights `A` `[B, heads, T, T]` with which oscillators `x` `[B, heads, T, n]` read, for people to look at; see
    /// [`weights`].
    ///
    /// # Errors
    /// As [`weights`].
    pub fn weights(&self, tape: &mut Tape, bound: &Bound, x: Var, lengths: Option<Var>) -> Result<Value> {
        let anchors = bound.get(&format!("{}anchor", self.prefix))?;
        weights(tape, x, anchors, self.unread(lengths), &self.config.readout())
    }

    /// The lengths that the readout is told.
    fn unread(&self, lengths: Option<Var>) -> Option<Var> {
        lengths.filter(|_| self.config.padding == Padding::Everywhere)
    }
}

/// Values of the readout that one call shows: as many as a head may have channels.
const SHOWN: usize = 64;

/// The weights `A` `[B, H, T, T]` of a readout, which itself stores none: what oscillators `x` `[B, H, T, n]` read of values
/// that are 1 at one key and 0 elsewhere, by the same kernel. Waits for the device.
///
/// # Errors
/// `Shape` if `x` is not `[B, H, T, n]`; as [`Tape::readout_anchors`].
pub fn weights(tape: &mut Tape, x: Var, anchors: Var, lengths: Option<Var>, options: &AnchorReadout) -> Result<Value> {
    let shape = tape.spec(x)?.shape;
    let &[batch, heads, tokens, _] = shape.as_slice() else {
        return Err(Error::argument(ErrorKind::Shape, "weights", "x", format!("{shape:?}"), "[B, H, T, n]"));
    };
    let dtype = tape.spec(x)?.dtype;
    let mut all = vec![0.0f64; batch * heads * tokens * tokens];
    for first in (0..tokens).step_by(SHOWN) {
        let shown = SHOWN.min(tokens - first);
        let mut values = vec![0.0f32; batch * tokens * heads * shown];
        for (row, values) in values.chunks_exact_mut(shown).enumerate() {
            // Rows are [batch, tokens, heads].
            let key = row / heads % tokens;
            if let Some(one) = key.checked_sub(first).and_then(|at| values.get_mut(at)) {
                *one = 1.0;
            }
        }
        let values = tape.upload(&values, &[batch, tokens, heads * shown], dtype)?;
        let values = tape.constant(values);
        let read = tape.readout_anchors(x, values, anchors, lengths, options)?;
        for (row, found) in tape.read(read)?.chunks_exact(shown).enumerate() {
            let (b, i, head) = (row / heads / tokens, row / heads % tokens, row % heads);
            let to = ((b * heads + head) * tokens + i) * tokens + first;
            all[to..to + shown].copy_from_slice(found);
        }
    }
    tape.upload(&all, &[batch, heads, tokens, tokens], dtype)
}

/// Whether every anchor has at most norm 1, so that no `1 + x . a` is negative for `x` on the sphere and
/// [`AnchorReadout::separated`] changes nothing but rounding. Reads the anchors and waits for the device.
///
/// # Errors
/// `Shape` without extents; `Foreign`, whatever reading from the device returns.
pub fn anchors_fit(tape: &mut Tape, anchors: Var) -> Result<bool> {
    let shape = tape.spec(anchors)?.shape;
    let Some(n) = shape.last().copied().filter(|n| *n > 0) else {
        return Err(Error::argument(ErrorKind::Shape, "anchors_fit", "anchors", format!("{shape:?}"), "[.., n]"));
    };
    // What f32 rounds off the norm of a unit vector may weigh -1e-6, as little as the clamp itself hides.
    let fits = |anchor: &[f64]| anchor.iter().map(|a| a * a).sum::<f64>() <= 1.0 + 2e-6;
    Ok(tape.read(anchors)?.chunks_exact(n).all(fits))
}

/// Numbers without a gradient.
pub(super) fn constant(tape: &mut Tape, data: &[f32], shape: &[usize]) -> Result<Var> {
    let value = tape.upload(data, shape, DType::F32)?;
    Ok(tape.constant(value))
}
