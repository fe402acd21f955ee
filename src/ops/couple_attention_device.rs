//! Dispatches of [`super::CoupleAttention`].

use super::contracts::{ParamsHeads, ParamsMatrix};
use super::{BACKWARD_MAT, CoupleAttention, HEADS};
use crate::error::Result;
use crate::gpu::{Commands, Tensor, Work, read, write};
use crate::kernel::DType;

impl CoupleAttention {
    pub(super) fn params_heads(&self) -> ParamsHeads {
        let at = &self.at;
        let [batch, tokens, inner, heads, dim, padded] =
            [at.batch, at.tokens, at.inner, at.heads, at.dim, self.scores.padded()].map(|v| v as u32);
        let given = self.positions.iter().rev().fold(0, |bits, given| 2 * bits + u32::from(*given));
        ParamsHeads { batch, tokens, inner, heads, dim, padded, interleaved: at.interleaved.into(), given }
    }

    /// Work of a kernel with an invocation per token and pair of channels of a head, which takes all heads of `parts`.
    pub(super) fn pairs(&self, channels: usize, parts: usize) -> Work {
        let invocations = self.at.batch * self.at.tokens * channels.div_ceil(2);
        Work::invocations(invocations).rounds(parts * (1 + self.at.heads))
    }

    /// The heads of q, k, v, what the queries see of the values, and the queries' statistics.
    pub(super) fn mix(&self, commands: &mut Commands, inputs: &[&Tensor], dtype: DType) -> Result<[Tensor; 3]> {
        let [q, k, v, _] = self.split(inputs).map(|m| m.unwrap_or(inputs[0]));
        let heads = self.scores.empty_heads(commands)?;
        let binds = [read(inputs[0]), read(q), read(k), read(v), write(&heads)];
        let work = self.pairs(self.scores.padded(), 3).flops(3 * heads.len());
        commands.dispatch(&HEADS, dtype, &[], &self.params_heads(), &binds, work)?;
        let [mixed, stats] = self.scores.mix(commands, &heads)?;
        Ok([heads, mixed, stats])
    }

    /// The cotangent of matrices that act on `in_heads` (`state_left`: whose result's cotangent is the state) or whose
    /// result's cotangent is `in_heads`.
    pub(super) fn matrix_bar(
        &self,
        commands: &mut Commands,
        in_heads: &Tensor,
        state: &Tensor,
        place: (usize, usize, bool),
        dtype: DType,
    ) -> Result<Tensor> {
        let (channels, offset, state_left) = place;
        let ParamsHeads { batch, tokens, inner, heads, dim, padded, interleaved, .. } = self.params_heads();
        let mat_bar = commands.empty(&[self.at.tokens, self.at.dim / 2, 2, 2], DType::F32)?;
        let (channels, offset, state_left) = (channels as u32, offset as u32, state_left.into());
        let params =
            ParamsMatrix { batch, tokens, inner, heads, dim, padded, interleaved, channels, offset, state_left };
        let binds = [read(in_heads), read(state), write(&mat_bar)];
        let terms = self.at.batch * (self.at.heads + 1);
        let work = Work::invocations(mat_bar.len() / 4).rounds(terms).flops(2 * mat_bar.len() * terms);
        commands.dispatch(&BACKWARD_MAT, dtype, &[], &params, &binds, work)?;
        Ok(mat_bar)
    }
}
