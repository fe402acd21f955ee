//! The readout: a convolution, then the length of each group of channels.

use super::block::same;
use crate::error::{Error, ErrorKind, Result};
use crate::model::parameters::{Bound, Builder, Initial, Role};
use crate::tape::{Tape, Var};

/// `out[c] = |z[c n' .. (c + 1) n']| + bias[c]` with `z = Conv2d(x)`: equation 6. The length does not change when the
/// group is rotated.
#[derive(Clone, Debug)]
pub struct Readout {
    channels: usize,
    out: usize,
    n: usize,
    kernel: usize,
    prefix: String,
}

impl Readout {
    /// From `channels` to `out` channels by lengths of `n` numbers, over an odd kernel of side `kernel`.
    ///
    /// # Errors
    /// `Param` for an even kernel or a zero.
    pub fn new(channels: usize, out: usize, n: usize, kernel: usize, prefix: impl Into<String>) -> Result<Readout> {
        if kernel.is_multiple_of(2) || channels * out * n == 0 {
            let got = format!("{channels} to {out} channels, n {n}, kernel {kernel}");
            let wanted = "none of them zero and an odd kernel";
            return Err(Error::argument(ErrorKind::Param, "Readout", "options", got, wanted));
        }
        Ok(Readout { channels, out, n, kernel, prefix: prefix.into() })
    }

    fn name(&self, rest: &str) -> String {
        format!("{}{rest}", self.prefix)
    }

    /// Adds the readout's parameters.
    pub fn parameters(&self, builder: &mut Builder) {
        let shape = [self.out * self.n, self.channels, self.kernel, self.kernel];
        builder.affine(&self.name("invconv"), &shape, true);
        builder.add(self.name("bias"), &[self.out], Role::Learned, Initial::Constant(0.0));
    }

    /// `[B, channels, H, W]` to `[B, out, H, W]`.
    ///
    /// # Errors
    /// `Shape`, `DType`; `Param` if `bound` lacks a parameter.
    pub fn forward(&self, tape: &mut Tape, bound: &Bound, x: Var) -> Result<Var> {
        let weight = bound.get(&self.name("invconv.weight"))?;
        let bias = bound.get(&self.name("invconv.bias"))?;
        let z = tape.conv2d(x, weight, Some(bias), same(self.kernel))?;
        let bias = bound.get(&self.name("bias"))?;
        tape.readout_norm(z, Some(bias), 1, self.n)
    }
}
