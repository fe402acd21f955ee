//! Dispatches of [`super::CoupleAttention`].

use super::contracts::{ParamsHeads, ParamsMatrix, ParamsScores};
use super::{
    BACKWARD_KV, BACKWARD_KV_FOUR, BACKWARD_MAT, BACKWARD_Q, BACKWARD_Q_FOUR, CoupleAttention, FORWARD, FORWARD_FOUR,
    HEADS, Variant,
};
use crate::error::Result;
use crate::gpu::{Commands, Tensor, Work, read, write};
use crate::kernel::{DType, Kernel, WORKGROUP};

impl CoupleAttention {
    pub(super) fn params_heads(&self) -> ParamsHeads {
        let at = &self.at;
        let [batch, tokens, inner, heads, dim, padded] =
            [at.batch, at.tokens, at.inner, at.heads, at.dim, self.padded()].map(|v| v as u32);
        let given = self.positions.iter().rev().fold(0, |bits, given| 2 * bits + u32::from(*given));
        ParamsHeads { batch, tokens, inner, heads, dim, padded, interleaved: at.interleaved.into(), given }
    }

    pub(super) fn params_scores(&self) -> ParamsScores {
        let scale = 1.0 / (self.at.dim as f64).sqrt();
        ParamsScores {
            rows: self.rows() as u32,
            tokens: self.at.tokens as u32,
            padded: self.padded() as u32,
            causal: self.at.causal.into(),
            to_log2: (std::f64::consts::LOG2_E * scale) as f32,
            scale: scale as f32,
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.at.batch * self.at.heads * self.at.tokens
    }

    pub(super) fn empty_rows(&self, commands: &mut Commands, columns: usize) -> Result<Tensor> {
        commands.empty(&[self.at.batch, self.at.heads, self.at.tokens, columns], DType::F32)
    }

    /// Work of a kernel that holds one row or four against all others: `sums` passes over the block for each of these,
    /// `dots` of them products that go on beyond the block.
    pub(super) fn work(&self, sums: usize, dots: usize) -> Work {
        let (block, padded, tokens) = (self.block(), self.padded(), self.at.tokens);
        let (work, passes) = match self.variant {
            Variant::Plain => (Work::invocations(self.rows() * (padded / block)), 2),
            // A workgroup stays within one head.
            Variant::Four => {
                let blocks = tokens.div_ceil(4 * WORKGROUP as usize);
                (Work::workgroups(self.at.batch * self.at.heads * blocks), 8)
            }
        };
        let beyond = if padded > block { dots * padded / 4 } else { 0 };
        // Loading and storing take two passes for each row.
        let rounds = tokens * (1 + sums * block / 4 + beyond) + passes * (1 + block / 4);
        let flops = 2 * self.rows() * tokens * (sums * self.at.dim + 4);
        work.rounds(rounds).flops(flops)
    }

    /// Work of a kernel with an invocation per token and pair of channels of a head, which takes all heads of `parts`.
    pub(super) fn pairs(&self, channels: usize, parts: usize) -> Work {
        let invocations = self.at.batch * self.at.tokens * channels.div_ceil(2);
        Work::invocations(invocations).rounds(parts * (1 + self.at.heads))
    }

    /// The kernel of this variant.
    pub(super) fn kernel(&self, plain: &'static Kernel, four: &'static Kernel) -> &'static Kernel {
        if self.variant == Variant::Four { four } else { plain }
    }

    pub(super) fn constants(&self) -> [(&'static str, u32); 1] {
        [("D", self.block() as u32)]
    }

    /// The heads of q, k, v, what the queries see of the values, and the queries' statistics.
    pub(super) fn mix(&self, commands: &mut Commands, inputs: &[&Tensor], dtype: DType) -> Result<[Tensor; 3]> {
        let [q, k, v, _] = self.split(inputs).map(|m| m.unwrap_or(inputs[0]));
        let heads = commands.empty(&[3, self.at.batch, self.at.heads, self.at.tokens, self.padded()], DType::F32)?;
        let binds = [read(inputs[0]), read(q), read(k), read(v), write(&heads)];
        let work = self.pairs(self.padded(), 3).flops(3 * heads.len());
        commands.dispatch(&HEADS, dtype, &[], &self.params_heads(), &binds, work)?;
        let (mixed, stats) = (self.empty_rows(commands, self.padded())?, self.empty_rows(commands, 2)?);
        let binds = [read(&heads), write(&mixed), write(&stats)];
        // A key that raises the maximum takes one more pass.
        commands.dispatch(
            self.kernel(&FORWARD, &FORWARD_FOUR),
            DType::F32,
            &self.constants(),
            &self.params_scores(),
            &binds,
            self.work(3, 1),
        )?;
        Ok([heads, mixed, stats])
    }

    /// The cotangents of the heads of q, k and v.
    pub(super) fn heads_bar(
        &self,
        commands: &mut Commands,
        heads: &Tensor,
        stats: &Tensor,
        mixed_bar: &Tensor,
        delta: &Tensor,
    ) -> Result<[Tensor; 3]> {
        let q = self.empty_rows(commands, self.padded())?;
        let k = self.empty_rows(commands, self.padded())?;
        let v = self.empty_rows(commands, self.padded())?;
        let (params, constants) = (self.params_scores(), self.constants());
        let binds = [read(heads), read(mixed_bar), read(stats), read(delta), write(&q)];
        commands.dispatch(
            self.kernel(&BACKWARD_Q, &BACKWARD_Q_FOUR),
            DType::F32,
            &constants,
            &params,
            &binds,
            self.work(2, 2),
        )?;
        let binds = [read(heads), read(mixed_bar), read(stats), read(delta), write(&k), write(&v)];
        commands.dispatch(
            self.kernel(&BACKWARD_KV, &BACKWARD_KV_FOUR),
            DType::F32,
            &constants,
            &params,
            &binds,
            self.work(2, 2),
        )?;
        Ok([q, k, v])
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
