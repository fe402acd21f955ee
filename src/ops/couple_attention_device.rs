//! Dispatches of [`super::CoupleAttention`].

use super::contracts::{ParamsHeads, ParamsMatrix, ParamsTiles};
use super::{
    BACKWARD_MAT, BACKWARD_MAT_TILES, BACKWARD_MIXED, BACKWARD_MIXED_PATCH, CoupleAttention, HEADS, HEADS_PATCH,
};
use crate::error::Result;
use crate::gpu::{Commands, Tensor, Work, read, write};
use crate::kernel::{DType, Kernel, WORKGROUP};
use crate::ops::sum_columns::{split_wide, sum_columns};

/// Channels of a patch, and rows that its workgroup takes: `CHANNELS` and `WG` of `lib/attention_patch`.
const CHANNELS: usize = 16;
const ROWS: usize = WORKGROUP as usize;

impl CoupleAttention {
    pub(super) fn params_heads(&self) -> ParamsHeads {
        let at = &self.at;
        let [batch, tokens, inner, heads, dim, padded] =
            [at.batch, at.tokens, at.inner, at.heads, at.dim, self.scores.padded()].map(|v| v as u32);
        let given = self.positions.iter().rev().fold(0, |bits, given| 2 * bits + u32::from(*given));
        ParamsHeads { batch, tokens, inner, heads, dim, padded, interleaved: at.interleaved.into(), given }
    }

    /// What is bound in place of matrices that are not given, and not read: one matrix of no values.
    pub(super) fn nothing(&self, commands: &mut Commands, dtype: DType) -> Result<Tensor> {
        commands.empty(&[2, 2], dtype)
    }

    /// The kernel between states and heads of `channels`, and its work: an invocation per token and pair of channels,
    /// which takes all heads of `parts`; or a workgroup per patch of rows and channels.
    pub(super) fn between(
        &self,
        [plain, patch]: [&'static Kernel; 2],
        channels: usize,
        parts: usize,
    ) -> (&'static Kernel, Work) {
        let rows = self.at.batch * self.at.tokens;
        if self.scores.variant().shares_rows() {
            let groups = rows.div_ceil(ROWS) * channels.div_ceil(CHANNELS) * parts * self.at.heads;
            (patch, Work::workgroups(groups).rounds(3 * CHANNELS))
        } else {
            (plain, Work::invocations(rows * channels.div_ceil(2)).rounds(parts * (1 + self.at.heads)))
        }
    }

    /// The same for the cotangent of what the queries see, whose kernel adds up products over a head.
    pub(super) fn of_queries(&self) -> (&'static Kernel, Work) {
        let padded = self.scores.padded();
        if self.scores.variant().shares_rows() {
            let groups = (self.at.batch * self.at.tokens).div_ceil(ROWS) * self.at.heads;
            (&BACKWARD_MIXED_PATCH, Work::workgroups(groups).rounds(padded.div_ceil(CHANNELS) * (3 * CHANNELS + 1) + 4))
        } else {
            (&BACKWARD_MIXED, Work::invocations(self.scores.rows()).rounds(padded))
        }
    }

    /// The heads of q, k, v, what the queries see of the values, and the queries' statistics.
    pub(super) fn mix(&self, commands: &mut Commands, inputs: &[&Tensor], dtype: DType) -> Result<[Tensor; 3]> {
        let nothing = self.nothing(commands, dtype)?;
        let [q, k, v, _] = self.split(inputs).map(|m| m.unwrap_or(&nothing));
        let heads = self.scores.empty_heads(commands)?;
        let binds = [read(inputs[0]), read(q), read(k), read(v), write(&heads)];
        let (kernel, work) = self.between([&HEADS, &HEADS_PATCH], self.scores.padded(), 3);
        commands.dispatch(kernel, dtype, &[], &self.params_heads(), &binds, work.flops(3 * heads.len()))?;
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
        let (channels, offset, state_left) = (channels as u32, offset as u32, state_left.into());
        let shape = [self.at.tokens, self.at.dim / 2, 2, 2];
        let matrices = self.at.tokens * (self.at.dim / 2);
        let terms = self.at.batch * (self.at.heads + 1);
        // Without samples there is one tile of nothing, and no four elements to bind.
        if self.scores.variant().shares_rows() && batch > 0 {
            let per_tile = self.at.tokens * self.at.dim.div_ceil(8);
            // A tile of all heads of one sample is short only where heads are few.
            let split = split_wide(self.at.batch, per_tile, 16usize.div_ceil(self.at.heads));
            let (run, tiles) = (split.run as u32, split.tiles as u32);
            let params = ParamsTiles {
                batch,
                tokens,
                inner,
                heads,
                dim,
                padded,
                interleaved,
                channels,
                offset,
                state_left,
                run,
                tiles,
            };
            let partial = commands.empty(&[split.tiles, 4 * matrices], DType::F32)?;
            let binds = [read(in_heads), read(state), write(&partial)];
            // Eight channels and four matrices for each term.
            let rounds = split.run * (1 + 13 * self.at.heads) + 4;
            let work = Work::invocations(split.tiles * per_tile).rounds(rounds).flops(8 * matrices * terms);
            commands.dispatch(&BACKWARD_MAT_TILES, dtype, &[], &params, &binds, work)?;
            return sum_columns(commands, &partial, 0, &shape);
        }
        let mat_bar = commands.empty(&shape, DType::F32)?;
        let params =
            ParamsMatrix { batch, tokens, inner, heads, dim, padded, interleaved, channels, offset, state_left };
        let binds = [read(in_heads), read(state), write(&mat_bar)];
        let work = Work::invocations(matrices).rounds(terms).flops(8 * matrices * terms);
        commands.dispatch(&BACKWARD_MAT, dtype, &[], &params, &binds, work)?;
        Ok(mat_bar)
    }
}
