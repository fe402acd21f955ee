//! What the ops of attention over anchors share: extents, their checks, and the sizes that kernels are compiled for.

use super::layout::indexable;
use super::spec::Port;
use crate::cpu::Real;
use crate::cpu::couple_anchors::Heads;
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "gpu")]
use crate::gpu::Work;
use crate::kernel::Constant;
#[cfg(feature = "gpu")]
use crate::kernel::WORKGROUP;

/// Components of an oscillator.
const COMPONENTS: &[u32] = &[2, 4, 8, 16, 32, 64];

/// Channels of a head, rounded up; they stay in registers.
const CHANNELS: &[u32] = &[8, 16, 32, 64];

/// What the kernels are compiled for.
pub(super) const CONSTANTS: &[Constant] =
    &[Constant { name: "N", values: COMPONENTS }, Constant { name: "D", values: CHANNELS }];

/// The same where channels are not in registers.
pub(super) const CONSTANTS_PREFIX: &[Constant] = &[CONSTANTS[0], Constant { name: "D", values: &[8] }];

/// Extents of operands, and the names that messages use.
pub(super) struct Extents<'a> {
    pub op: &'a str,
    /// Name and extents of what has the channels of the heads: `[batch, tokens, heads * dim]`.
    pub channels: (&'a str, &'a [usize]),
    /// `[heads, positions, n]`.
    pub anchors: &'a [usize],
    pub causal: bool,
}

impl Extents<'_> {
    pub(super) fn heads(&self) -> Result<Heads> {
        let op = self.op;
        let refuse =
            |kind, argument: &str, got: String, wanted: String| Err(Error::argument(kind, op, argument, got, wanted));
        let (name, shape) = self.channels;
        let &[batch, tokens, width] = shape else {
            return refuse(ErrorKind::Shape, name, format!("{shape:?}"), "[batch, tokens, heads * dim]".into());
        };
        let &[heads, positions, n] = self.anchors else {
            let got = format!("{:?}", self.anchors);
            return refuse(ErrorKind::Shape, "anchors", got, "[heads, positions, n]".into());
        };
        if heads == 0 || width == 0 || width % heads != 0 {
            let wanted = format!("a positive multiple of the {heads} heads of the anchors");
            return refuse(ErrorKind::Shape, "channels", width.to_string(), wanted);
        }
        if positions < tokens {
            return refuse(
                ErrorKind::Shape,
                "positions of anchors",
                positions.to_string(),
                format!("at least {tokens}"),
            );
        }
        if !COMPONENTS.iter().any(|size| *size as usize == n) {
            return refuse(
                ErrorKind::Param,
                "components of an anchor",
                n.to_string(),
                format!("one of {COMPONENTS:?}"),
            );
        }
        let dim = width / heads;
        if block(dim).is_none() {
            return refuse(ErrorKind::Param, "channels of a head", dim.to_string(), "at most 64".into());
        }
        indexable(op, shape)?;
        // Partial sums of the anchors' cotangents and statistics are the largest of what the kernels index.
        indexable(op, &[batch, heads, positions, n])?;
        Ok(Heads { batch, tokens, heads, dim, n, positions, causal: self.causal })
    }
}

/// The registers that hold the channels of a head.
fn block(dim: usize) -> Option<u32> {
    CHANNELS.iter().copied().find(|size| *size as usize >= dim)
}

/// What [`Heads`] does not know of: extents of operands.
pub(super) trait Shapes {
    /// `[batch, tokens, heads * dim]`.
    fn channels_shape(&self) -> [usize; 3];
    /// `[batch, heads, tokens, n]`.
    fn oscillators_shape(&self) -> [usize; 4];
    /// `[heads, positions, n]`.
    fn anchors_shape(&self) -> [usize; 3];
    /// The port of the lengths.
    fn lengths(&self) -> Port;
}

impl Shapes for Heads {
    fn channels_shape(&self) -> [usize; 3] {
        [self.batch, self.tokens, self.heads * self.dim]
    }
    fn oscillators_shape(&self) -> [usize; 4] {
        [self.batch, self.heads, self.tokens, self.n]
    }
    fn anchors_shape(&self) -> [usize; 3] {
        [self.heads, self.positions, self.n]
    }
    fn lengths(&self) -> Port {
        Port::u32("lengths", &[self.batch])
    }
}

/// The first three operands, and the lengths if they are given.
pub(super) fn split<'a, R: Real>(inputs: &[&'a [R]]) -> ([&'a [R]; 3], Option<&'a [R]>) {
    ([inputs[0], inputs[1], inputs[2]], inputs.get(3).copied())
}

/// The constants of the kernels.
#[cfg(feature = "gpu")]
pub(super) fn constants(at: &Heads) -> [(&'static str, u32); 2] {
    [("N", at.n as u32), ("D", block(at.dim).unwrap_or(CHANNELS[0]))]
}

/// Work of one invocation per one of `span` tokens of each head against all tokens: `passes` over these, each over the
/// channels and components `vectors` times, `powers` rounds for the power of a weight.
#[cfg(feature = "gpu")]
pub(super) fn work(at: &Heads, span: usize, passes: usize, vectors: usize, powers: usize) -> Work {
    let [(_, n), (_, d)] = constants(at).map(|(name, value)| (name, value as usize));
    let (n4, d4) = (n.div_ceil(4), d / 4);
    let blocks = span.div_ceil(WORKGROUP as usize);
    let each = 1 + vectors * (n4 + d4) + powers;
    let flops = 2 * at.batch * at.heads * at.tokens * at.tokens * (passes * vectors * (n + at.dim) + 8);
    Work::workgroups(at.batch * at.heads * blocks).rounds(passes * at.tokens * each + 3 * (n + d)).flops(flops)
}
